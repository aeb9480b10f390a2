//! The encoding of the mesh to JSON: serde's `DeserializeSeed` that reads a value by its type, and writes it as it is
//! read. So the decoder, with its limits, is the same as for values.

mod parts;

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, Visitor},
};

use self::parts::{FieldsVisitor, Inside};
use super::{
    Conversion, formats,
    path::Path,
    types::{Field, Written, resolve},
};
use crate::schema::{PlainType, TypeRef};

/// How many types may be inside one another. The decoder counts only those of them that take bytes; a type table from
/// elsewhere may have any number of others.
const MAX_LEVELS: u32 = 512;

/// Over the whole value, how many tuples, structs and values of no bytes there may be for each byte, and besides. What
/// the decoder does not count is bounded by these.
const FREE_PER_BYTE: usize = 64;
const FREE: usize = 65_536;

/// Integers up to this one are numbers in JSON, greater ones are text: programs that read all numbers as 64-bit floats
/// would change those.
const MAX_NUMBER: u128 = 1 << 53;

/// The JSON that has been written.
pub(super) struct Output {
    json: Vec<u8>,
    /// How many more tuples, structs and values of no bytes there may be.
    free: usize,
}

impl Output {
    /// For a value of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            json: Vec::new(),
            free: bytes.saturating_mul(FREE_PER_BYTE).saturating_add(FREE),
        }
    }

    /// All that is written into it is UTF-8.
    pub(super) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.json).into_owned()
    }

    fn write(&mut self, json: &str) {
        self.json.extend_from_slice(json.as_bytes());
    }

    /// Writes a text, a float or a bool.
    fn value<E: Error>(&mut self, value: &(impl serde::Serialize + ?Sized)) -> Result<(), E> {
        serde_json::to_writer(&mut self.json, value).map_err(E::custom)
    }

    /// Writes a comma, unless this is the first part.
    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.write(",");
        }
    }

    fn takes_no_bytes<E: Error>(&mut self) -> Result<(), E> {
        let left = self.free.checked_sub(1);
        self.free = left.ok_or_else(|| E::custom("too many parts that take no bytes"))?;
        Ok(())
    }
}

/// The JSON of an integer of at most 64 bits.
pub(super) fn integer(number: impl Into<i128>) -> String {
    let number = number.into();
    if number.unsigned_abs() > MAX_NUMBER {
        format!("\"{number}\"")
    } else {
        number.to_string()
    }
}

/// What is read.
pub(super) enum Reading<'a> {
    /// A value of this type.
    Type(&'a TypeRef),
    /// An object with these fields.
    Fields(&'a [Field<'a>]),
}

/// Reads a value and writes its JSON.
pub(super) struct ToJson<'a> {
    conversion: &'a Conversion<'a>,
    output: &'a mut Output,
    path: Path<'a>,
    /// The number of types around this one.
    level: u32,
    reading: Reading<'a>,
}

impl<'de> DeserializeSeed<'de> for ToJson<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let (conversion, path) = (self.conversion, self.path);
        self.read(from).inspect_err(|_| conversion.failed_at(&path))
    }
}

impl<'a> ToJson<'a> {
    /// Reads a value as a whole.
    pub(super) fn new(
        conversion: &'a Conversion<'a>,
        output: &'a mut Output,
        reading: Reading<'a>,
    ) -> Self {
        Self {
            conversion,
            output,
            path: Path::Root,
            level: 0,
            reading,
        }
    }

    fn read<'de, D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let holds = match self.reading {
            Reading::Type(holds) => holds,
            Reading::Fields(fields) => {
                return from.deserialize_tuple(fields.len(), FieldsVisitor(self.inside()?, fields));
            }
        };
        match resolve(self.conversion.types, holds).map_err(D::Error::custom)? {
            Written::Plain(plain) => self.plain(plain, from),
            Written::Formatted(format) => {
                let json = formats::decode(format, from)?;
                self.output.write(&json);
                Ok(())
            }
            Written::Structured(def) => self.inside()?.structured(&def.structure, from),
        }
    }

    fn plain<'de, D: Deserializer<'de>>(self, plain: PlainType, from: D) -> Result<(), D::Error> {
        let visitor = PlainVisitor {
            output: self.output,
            is_wide: matches!(plain, PlainType::I128 | PlainType::U128),
        };
        match plain {
            PlainType::Bool => from.deserialize_bool(visitor),
            PlainType::I8 => from.deserialize_i8(visitor),
            PlainType::I16 => from.deserialize_i16(visitor),
            PlainType::I32 => from.deserialize_i32(visitor),
            PlainType::I64 => from.deserialize_i64(visitor),
            PlainType::I128 => from.deserialize_i128(visitor),
            PlainType::U8 => from.deserialize_u8(visitor),
            PlainType::U16 => from.deserialize_u16(visitor),
            PlainType::U32 => from.deserialize_u32(visitor),
            PlainType::U64 => from.deserialize_u64(visitor),
            PlainType::U128 => from.deserialize_u128(visitor),
            PlainType::F32 => from.deserialize_f32(visitor),
            PlainType::F64 => from.deserialize_f64(visitor),
            PlainType::Char => from.deserialize_char(visitor),
            PlainType::Text => from.deserialize_str(visitor),
            PlainType::Bytes => from.deserialize_bytes(visitor),
            PlainType::Unit | PlainType::Any => from.deserialize_unit(visitor),
        }
    }

    fn inside<E: Error>(self) -> Result<Inside<'a>, E> {
        if self.level >= MAX_LEVELS {
            return Err(E::custom(format_args!(
                "more than {MAX_LEVELS} types are inside one another"
            )));
        }
        Ok(Inside {
            conversion: self.conversion,
            output: self.output,
            path: self.path,
            level: self.level + 1,
        })
    }
}

/// Writes a plain value.
struct PlainVisitor<'a> {
    output: &'a mut Output,
    /// It has 128 bits. All values of such a type are text, so that programs need to expect only one form.
    is_wide: bool,
}

impl Visitor<'_> for PlainVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value")
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<(), E> {
        self.output.value(&truth)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        if self.is_wide {
            return self.visit_u128(number.into());
        }
        self.output.write(&integer(number));
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        if self.is_wide {
            return self.visit_i128(number.into());
        }
        self.output.write(&integer(number));
        Ok(())
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<(), E> {
        self.output.write(&format!("\"{number}\""));
        Ok(())
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<(), E> {
        self.output.write(&format!("\"{number}\""));
        Ok(())
    }

    fn visit_f32<E: Error>(self, number: f32) -> Result<(), E> {
        if number.is_finite() {
            return self.output.value(&number);
        }
        self.visit_f64(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.output.write(match number {
            _ if number.is_nan() => "\"NaN\"",
            f64::INFINITY => "\"Infinity\"",
            f64::NEG_INFINITY => "\"-Infinity\"",
            _ => return self.output.value(&number),
        });
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.output.value(text)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<(), E> {
        self.output.value(&STANDARD.encode(bytes))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.output.takes_no_bytes()?;
        self.output.write("null");
        Ok(())
    }
}
