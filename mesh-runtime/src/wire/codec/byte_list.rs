//! Reads a `Vec<u8>` with one copy, and not byte by byte.
//!
//! serde does not say that the elements of a list are bytes. So the type that is asked for is compared with `Vec<u8>`,
//! which the compiler does before the program runs.

use std::{any::type_name, fmt, sync::LazyLock};

use castaway::cast;
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
    forward_to_deserialize_any,
};

use super::{input::Input, problem::Error};

/// Reads a list into a `Vec<u8>`, if the visitor is serde's own for that type. Others may do something else with the
/// bytes.
#[inline]
pub(super) fn read<'de, V: Visitor<'de>>(input: &mut Input<'_>) -> Result<Option<V::Value>, Error> {
    let mut value: Option<V::Value> = None;
    if let Ok(value) = cast!(&mut value, &mut Option<Vec<u8>>)
        && type_name::<V>() == *VISITOR
    {
        *value = Some(input.bytes()?.to_vec());
    }
    Ok(value)
}

/// The compiler's name of the visitor with which serde reads a `Vec<u8>`.
static VISITOR: LazyLock<&str> = LazyLock::new(|| match Vec::<u8>::deserialize(NameOfVisitor) {
    Err(Name(name)) => name,
    Ok(_) => "",
});

/// Fails with the name of the visitor.
struct NameOfVisitor;

#[derive(Debug)]
struct Name(&'static str);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Name {}

impl de::Error for Name {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self("")
    }
}

impl<'de> Deserializer<'de> for NameOfVisitor {
    type Error = Name;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Name> {
        Err(Name(type_name::<V>()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Whether values of the type are read with one copy.
#[cfg(test)]
pub(super) fn reads_with_one_copy<T: serde::de::DeserializeOwned>() -> bool {
    matches!(T::deserialize(NameOfVisitor), Err(Name(name)) if name == *VISITOR)
}
