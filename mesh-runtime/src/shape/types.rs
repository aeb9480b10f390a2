//! Types as data: a table of their structures. It is what a program reads that does not have the types themselves.
//! In JSON it is part of a schema's description; `docs/protocol.md`, section 12, has the format.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};

/// A type: a plain one, or an entry of the type table.
///
/// In JSON, a plain type is its name as text (`"u32"`), an entry is its index as a number, and alternatives are an
/// array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TypeRef {
    /// A plain type.
    Plain(PlainType),
    /// The entry of the type table with this index.
    Def(u32),
    /// The type's `Deserialize` reads one of several types here, depending on the data. No value of it can be converted
    /// to or from JSON.
    AnyOf(Vec<TypeRef>),
    /// No value is known that the type accepts up to here, so it is not known what it reads here. No value of it can be
    /// converted to or from JSON.
    Unknown,
}

/// A type without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "each is called as in Rust, or as its text says"
)]
pub enum PlainType {
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Text,
    Bytes,
    Unit,
    /// Any type: `Deserialize` asks the data, which mesh's encoding cannot answer. Encoding and decoding fail.
    Any,
}

/// An entry of the type table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TypeDef {
    /// The name that serde knows it by, as `Order`. Empty if it has none, as a list.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The compiler's name of the Rust type, as `shop::Order`. It is for people: it may differ between compilers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rust: String,
    /// How its values are written in JSON, if not by their structure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Set for a struct or enum with `#[serde(alias)]`: the names are listed with the aliases among them, so it is not
    /// known which name belongs to which field or variant. No value of it can be converted to or from JSON.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_aliases: bool,
    /// Its structure.
    #[serde(flatten)]
    pub structure: Structure,
}

/// What a type consists of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Structure {
    /// Encoded exactly like the type in it.
    Newtype {
        /// The type in it.
        of: TypeRef,
    },
    /// A value or none.
    Option {
        /// The type of the value.
        of: TypeRef,
    },
    /// Any number of elements: lists and sets.
    List {
        /// The type of the elements.
        of: TypeRef,
    },
    /// Keys with their values.
    Map {
        /// The type of the keys.
        key: TypeRef,
        /// The type of the values.
        value: TypeRef,
    },
    /// A fixed number of elements of one type.
    Array {
        /// The number of elements.
        len: usize,
        /// Their type.
        of: TypeRef,
    },
    /// Elements of different types.
    Tuple {
        /// The types of the elements.
        items: Vec<TypeRef>,
    },
    /// Named fields.
    Struct {
        /// The fields, in the order in which they are encoded.
        fields: Vec<Named>,
    },
    /// One of several variants.
    Enum {
        /// The variants. The index of a variant is its number in the encoding.
        variants: Vec<Named>,
    },
    /// One that a later version has. No value of it can be converted to or from JSON.
    #[serde(other)]
    Later,
}

/// A field or a variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Named {
    /// Its name, as serde knows it.
    pub name: String,
    /// The type of the field, or of the variant's contents: `unit` for a variant without contents.
    #[serde(rename = "type")]
    pub holds: TypeRef,
}

/// How the values of some types of the standard library, and of `uuid`, are written in JSON: as people write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// `uuid::Uuid`: `"67e55044-10b1-426f-9247-bb680e5fe0c8"`.
    Uuid,
    /// An IP address: `"127.0.0.1"`, `"::1"`.
    Ip,
    /// `Ipv4Addr`: `"127.0.0.1"`.
    Ipv4,
    /// `Ipv6Addr`: `"::1"`.
    Ipv6,
    /// `SocketAddr`: `"127.0.0.1:80"`, `"[::1]:80"`.
    Socket,
    /// `SocketAddrV4`: `"127.0.0.1:80"`.
    SocketV4,
    /// `SocketAddrV6`: `"[::1]:80"`.
    SocketV6,
    /// `Duration`: `"1m 30s"`, `"250ms"`.
    Duration,
    /// `SystemTime`: `"2026-01-31T12:00:00Z"`, in UTC.
    Time,
    /// One that a later version has. The values are written by their structure.
    #[serde(other)]
    Later,
}

impl TypeRef {
    /// Replaces the indices of the table's entries in it.
    pub(crate) fn renumber(&mut self, number: &mut dyn FnMut(u32) -> u32) {
        match self {
            Self::Def(index) => *index = number(*index),
            Self::AnyOf(alternatives) => alternatives
                .iter_mut()
                .for_each(|alternative| alternative.renumber(number)),
            Self::Plain(_) | Self::Unknown => {}
        }
    }
}

impl Structure {
    /// The types of its parts.
    pub(crate) fn parts_mut(&mut self) -> Vec<&mut TypeRef> {
        match self {
            Self::Newtype { of }
            | Self::Option { of }
            | Self::List { of }
            | Self::Array { of, .. } => vec![of],
            Self::Map { key, value } => vec![key, value],
            Self::Tuple { items } => items.iter_mut().collect(),
            Self::Struct { fields: named } | Self::Enum { variants: named } => {
                named.iter_mut().map(|named| &mut named.holds).collect()
            }
            Self::Later => Vec::new(),
        }
    }
}

/// The names of the plain types.
const PLAIN: [(&str, PlainType); 18] = [
    ("bool", PlainType::Bool),
    ("i8", PlainType::I8),
    ("i16", PlainType::I16),
    ("i32", PlainType::I32),
    ("i64", PlainType::I64),
    ("i128", PlainType::I128),
    ("u8", PlainType::U8),
    ("u16", PlainType::U16),
    ("u32", PlainType::U32),
    ("u64", PlainType::U64),
    ("u128", PlainType::U128),
    ("f32", PlainType::F32),
    ("f64", PlainType::F64),
    ("char", PlainType::Char),
    ("text", PlainType::Text),
    ("bytes", PlainType::Bytes),
    ("unit", PlainType::Unit),
    ("any", PlainType::Any),
];

/// In JSON, the name of [`TypeRef::Unknown`].
const UNKNOWN: &str = "unknown";

impl PlainType {
    /// Its name.
    pub fn name(self) -> &'static str {
        let mut names = PLAIN.iter();
        names
            .find(|(_, plain)| *plain == self)
            .map_or("any", |(name, _)| name)
    }
}

impl FromStr for PlainType {
    type Err = NoPlainType;

    fn from_str(text: &str) -> Result<Self, NoPlainType> {
        let mut names = PLAIN.iter();
        names
            .find(|(name, _)| *name == text)
            .map(|(_, plain)| *plain)
            .ok_or(NoPlainType)
    }
}

/// The text is not the name of a plain type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a plain type")]
pub struct NoPlainType;

impl fmt::Display for PlainType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for TypeRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(plain) => serializer.serialize_str(plain.name()),
            Self::Unknown => serializer.serialize_str(UNKNOWN),
            Self::Def(index) => serializer.serialize_u32(*index),
            Self::AnyOf(alternatives) => alternatives.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for TypeRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TypeRefVisitor)
    }
}

struct TypeRefVisitor;

impl<'de> Visitor<'de> for TypeRefVisitor {
    type Value = TypeRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a plain type, the index of a type, or a list of these")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<TypeRef, E> {
        match name.parse() {
            Ok(plain) => Ok(TypeRef::Plain(plain)),
            // A name that is added later must not make the whole schema unreadable.
            Err(NoPlainType) => Ok(TypeRef::Unknown),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, index: u64) -> Result<TypeRef, E> {
        u32::try_from(index)
            .map(TypeRef::Def)
            .map_err(|_| E::custom("the index of a type is too large"))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<TypeRef, A::Error> {
        let mut alternatives = Vec::new();
        while let Some(alternative) = list.next_element()? {
            alternatives.push(alternative);
        }
        Ok(TypeRef::AnyOf(alternatives))
    }
}
