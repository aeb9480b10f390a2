//! What can go wrong while a value is encoded or decoded, in one word, so that results stay cheap to pass on.

use std::fmt;

use super::{MAX_DEPTH, MAX_EMPTY};

/// A problem, behind one pointer. It becomes a [`CodecError`](crate::error::CodecError) at the end.
#[derive(Debug)]
pub(super) struct Error(Box<Problem>);

/// What is wrong.
#[derive(Debug)]
pub(super) enum Problem {
    /// Bytes are missing.
    End,
    /// A length exceeds the bytes that follow it.
    Length,
    /// Too many levels.
    Depth,
    /// Too many elements without bytes.
    Empty,
    /// This byte is no bool.
    Bool(u8),
    /// This byte begins no optional value.
    Optional(u8),
    /// A char is not UTF-8.
    Char,
    /// A string is not UTF-8.
    Text,
    /// This byte begins no number, or one that is too wide for its type.
    Number(u8),
    /// The type needs this method of serde's `Deserializer`, which needs names or types in the bytes.
    SelfDescribing(&'static str),
    /// A list or map does not say its length beforehand.
    UnknownLength,
    /// What the type itself says.
    Custom(String),
}

impl Error {
    /// Whether the problem needs no position: the position would be the end, or that of a length.
    pub(super) fn is_about_length(&self) -> bool {
        matches!(*self.0, Problem::End | Problem::Length)
    }
}

impl From<Problem> for Error {
    #[cold]
    #[inline(never)]
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Problem::End => f.write_str("the bytes end before the value does"),
            Problem::Length => f.write_str("a length in it is greater than the bytes there are"),
            Problem::Depth => write!(
                f,
                "more than {MAX_DEPTH} options, enums, lists and maps are inside one another"
            ),
            Problem::Empty => write!(
                f,
                "more than {MAX_EMPTY} elements of its lists, sets and maps take no bytes"
            ),
            Problem::Bool(byte) => write!(f, "a bool is {byte}, neither 0 nor 1"),
            Problem::Optional(byte) => write!(f, "an option begins with {byte}, neither 0 nor 1"),
            Problem::Char => f.write_str("a char is not UTF-8"),
            Problem::Text => f.write_str("a string is not UTF-8"),
            Problem::Number(byte) => {
                write!(f, "a number begins with {byte}, which its type does not allow")
            }
            Problem::SelfDescribing(method) => write!(
                f,
                "a type in it needs `{method}`, but the bytes contain no names and no types; this comes from \
                 `#[serde(untagged)]`, `#[serde(tag)]`, `#[serde(flatten)]` or a type such as `serde_json::Value`"
            ),
            Problem::UnknownLength => f.write_str(
                "the length of a list or map is not known before its elements; `#[serde(flatten)]` is one cause",
            ),
            Problem::Custom(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl serde::ser::Error for Error {
    #[cold]
    fn custom<T: fmt::Display>(text: T) -> Self {
        Problem::Custom(text.to_string()).into()
    }
}

impl serde::de::Error for Error {
    #[cold]
    fn custom<T: fmt::Display>(text: T) -> Self {
        Problem::Custom(text.to_string()).into()
    }
}
