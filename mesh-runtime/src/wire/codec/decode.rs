//! Bytes to values: serde's `Deserializer` for the encoding of `docs/protocol.md`, section 9.

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
        Visitor, value::U32Deserializer,
    },
};

use super::{
    byte_list,
    input::Input,
    limits::Depth,
    problem::{Error, Problem},
};

/// Up to this depth, collections take memory for their elements beforehand: each up to 1 MiB, which is serde's limit.
/// Further inside they grow with their elements. So lengths that lie at each level cannot take much.
const MAX_RESERVING: u32 = 16;

/// Reads one value.
pub(super) struct Decoder<'a, 'de> {
    input: &'a mut Input<'de>,
    depth: Depth,
}

impl<'a, 'de> Decoder<'a, 'de> {
    pub(super) fn new(input: &'a mut Input<'de>) -> Self {
        Self {
            input,
            depth: Depth::outermost(),
        }
    }

    /// The decoder for what is inside an option, enum, list or map.
    #[inline]
    fn inside(self) -> Result<Self, Error> {
        let depth = self.depth.inside()?;
        Ok(Self { depth, ..self })
    }

    /// The elements of a list, or the entries of a map, behind their number.
    #[inline]
    fn elements(self) -> Result<Elements<'a, 'de>, Error> {
        let left = self.input.count()?;
        Ok(Elements {
            input: *self.input,
            outer: self.input,
            depth: self.depth,
            left,
            entry: 0,
        })
    }
}

/// Implements the methods for plain values: each is one call of a method of [`Input`].
macro_rules! plain {
    ($($method:ident => $visit:ident($input:ident => $value:expr);)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let $input = self.input;
            visitor.$visit($value)
        }
    )*};
}

/// Implements the methods that only formats with names or types in the bytes can have.
macro_rules! self_describing {
    ($($method:ident)*) => {$(
        #[cold]
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Problem::SelfDescribing(stringify!($method)).into())
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'_, 'de> {
    type Error = Error;

    plain! {
        deserialize_bool => visit_bool(input => match input.byte()? {
            0 => false,
            1 => true,
            byte => return Err(Problem::Bool(byte).into()),
        });
        deserialize_u8 => visit_u8(input => input.byte()?);
        deserialize_i8 => visit_i8(input => input.byte()?.cast_signed());
        deserialize_u16 => visit_u16(input => input.u16()?);
        deserialize_u32 => visit_u32(input => input.u32()?);
        deserialize_u64 => visit_u64(input => input.u64()?);
        deserialize_u128 => visit_u128(input => input.u128()?);
        // A signed number n is there as 2n, or as -2n - 1 if it is negative.
        deserialize_i16 => visit_i16(input => {
            let number = input.u16()?;
            (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
        });
        deserialize_i32 => visit_i32(input => {
            let number = input.u32()?;
            (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
        });
        deserialize_i64 => visit_i64(input => {
            let number = input.u64()?;
            (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
        });
        deserialize_i128 => visit_i128(input => {
            let number = input.u128()?;
            (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
        });
        deserialize_f32 => visit_f32(input => f32::from_le_bytes(input.array()?));
        deserialize_f64 => visit_f64(input => f64::from_le_bytes(input.array()?));
        deserialize_char => visit_char(input => input.char()?);
        deserialize_str => visit_borrowed_str(input => input.text()?);
        deserialize_string => visit_string(input => input.text()?.to_owned());
        deserialize_bytes => visit_borrowed_bytes(input => input.bytes()?);
        deserialize_byte_buf => visit_byte_buf(input => input.bytes()?.to_vec());
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.input.byte()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self.inside()?),
            byte => Err(Problem::Optional(byte).into()),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let inside = self.inside()?;
        if let Some(bytes) = byte_list::read::<V>(inside.input)? {
            return Ok(bytes);
        }
        visitor.visit_seq(inside.elements()?)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self.inside()?.elements()?)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Parts {
            input: self.input,
            depth: self.depth,
            left: len,
        })
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.inside()?)
    }

    self_describing! { deserialize_any deserialize_identifier deserialize_ignored_any }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

impl<'de> EnumAccess<'de> for Decoder<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let number: U32Deserializer<Error> = self.input.u32()?.into_deserializer();
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for Decoder<'_, 'de> {
    type Error = Error;

    #[inline]
    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}

/// Reads the parts of a tuple, array or struct. Their number is fixed by the type.
struct Parts<'a, 'de> {
    input: &'a mut Input<'de>,
    depth: Depth,
    left: usize,
}

impl<'de> SeqAccess<'de> for Parts<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let decoder = Decoder {
            input: self.input,
            depth: self.depth,
        };
        seed.deserialize(decoder).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.input.rest().len()))
    }
}

/// Reads the elements of a list, or the entries of a map. Their number is in the bytes.
///
/// It has the input by value and hands it back when it is dropped: a loop over small elements then keeps the position in
/// a register.
struct Elements<'a, 'de> {
    input: Input<'de>,
    outer: &'a mut Input<'de>,
    depth: Depth,
    left: usize,
    /// How many bytes had been read before the entry of a map.
    entry: usize,
}

impl Drop for Elements<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        *self.outer = self.input;
    }
}

impl<'de> Elements<'_, 'de> {
    #[inline]
    fn read<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(Decoder {
            input: &mut self.input,
            depth: self.depth,
        })
    }

    #[inline]
    fn hint(&self) -> usize {
        if !self.depth.is_within(MAX_RESERVING) {
            return 0;
        }
        self.left.min(self.input.rest().len())
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let before = self.input.read();
        let value = self.read(seed)?;
        self.input.end_element(before)?;
        Ok(Some(value))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        self.entry = self.input.read();
        self.read(seed).map(Some)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let value = self.read(seed)?;
        self.input.end_element(self.entry)?;
        Ok(value)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}
