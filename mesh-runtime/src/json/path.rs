//! Where in a value one is, written as in JavaScript: `order.lines[3].cents`.

use std::fmt;

/// A place in a value, with the way to it. Lies on the stack.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    /// The value as a whole.
    Root,
    /// A field, a variant or an argument.
    Field(&'a Path<'a>, &'a str),
    /// An element.
    Index(&'a Path<'a>, usize),
    /// The value of a map for this key.
    Key(&'a Path<'a>, &'a str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Path::Root, name) => f.write_str(name),
            Self::Field(outer, name) => write!(f, "{outer}.{name}"),
            Self::Index(outer, index) => write!(f, "{outer}[{index}]"),
            Self::Key(outer, key) => write!(f, "{outer}[{key:?}]"),
        }
    }
}
