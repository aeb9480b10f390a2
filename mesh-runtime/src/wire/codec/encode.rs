//! Values to bytes: serde's `Serializer` for the encoding of `docs/protocol.md`, section 9.

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::{
    limits::Depth,
    one_byte::byte_of,
    output::{Output, Position},
    problem::{Error, Problem},
};

/// How many bytes of a list are copied at once.
const CHUNK: usize = 256;

/// Writes one value. It also writes the parts of tuples, structs and lists, each with an encoder of its own.
pub(super) struct Encoder<'a> {
    out: &'a mut Output,
    depth: Depth,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(out: &'a mut Output) -> Self {
        Self {
            out,
            depth: Depth::outermost(),
        }
    }

    /// The encoder for what is inside an option, enum, list or map.
    #[inline]
    fn inside(self) -> Result<Self, Error> {
        let depth = self.depth.inside()?;
        Ok(Self { depth, ..self })
    }

    /// The encoder for what is inside an enum, behind the number of the variant.
    #[inline]
    fn variant(self, number: u32) -> Result<Self, Error> {
        let inside = self.inside()?;
        inside.out.number(number.into());
        Ok(inside)
    }

    /// The encoder for what is inside a list or map, behind its length.
    #[inline]
    fn counted(self, len: Option<usize>) -> Result<Self, Error> {
        let Some(len) = len else {
            return Err(Problem::UnknownLength.into());
        };
        let inside = self.inside()?;
        inside.out.length(len);
        Ok(inside)
    }

    #[inline]
    fn part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Encoder {
            out: self.out,
            depth: self.depth,
        })
    }

    /// An element of a list.
    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let start = self.out.position();
        self.part(value)?;
        self.out.end_element(start)
    }
}

/// Writes the elements of a list up to the first that is no byte, and returns this one.
#[inline]
fn copy_bytes<T: Serialize>(items: &mut impl Iterator<Item = T>, out: &mut Output) -> Option<T> {
    let mut chunk = [0; CHUNK];
    loop {
        let mut used = 0;
        let mut other = None;
        for item in items.take(CHUNK) {
            let Some(byte) = byte_of(&item) else {
                other = Some(item);
                break;
            };
            chunk[used] = byte;
            used += 1;
        }
        out.write(&chunk[..used]);
        if used < CHUNK {
            return other;
        }
    }
}

/// Implements the methods for numbers: each is one call of a method of [`Output`].
macro_rules! numbers {
    ($($method:ident($value:ident: $type:ty) => $write:ident($written:expr);)*) => {$(
        #[inline]
        fn $method(self, $value: $type) -> Result<(), Error> {
            self.out.$write($written);
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Encoder<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    // A signed number is written as 2n, or as -2n - 1 if it is negative.
    numbers! {
        serialize_bool(value: bool) => byte(value.into());
        serialize_u8(value: u8) => byte(value);
        serialize_i8(value: i8) => byte(value.cast_unsigned());
        serialize_u16(value: u16) => number(value.into());
        serialize_u32(value: u32) => number(value.into());
        serialize_u64(value: u64) => number(value);
        serialize_u128(value: u128) => wide_number(value);
        serialize_i16(value: i16) => number(((value << 1) ^ (value >> 15)).cast_unsigned().into());
        serialize_i32(value: i32) => number(((value << 1) ^ (value >> 31)).cast_unsigned().into());
        serialize_i64(value: i64) => number(((value << 1) ^ (value >> 63)).cast_unsigned());
        serialize_i128(value: i128) => wide_number(((value << 1) ^ (value >> 127)).cast_unsigned());
        serialize_f32(value: f32) => write(&value.to_le_bytes());
        serialize_f64(value: f64) => write(&value.to_le_bytes());
        serialize_char(value: char) => write(value.encode_utf8(&mut [0; 4]).as_bytes());
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.serialize_bytes(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.out.number(value.len() as u64);
        self.out.write(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        self.out.byte(0);
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        let inside = self.inside()?;
        inside.out.byte(1);
        value.serialize(inside)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        number: u32,
        _: &'static str,
    ) -> Result<(), Error> {
        self.variant(number).map(drop)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        number: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self.variant(number)?)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Error> {
        self.counted(len)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        number: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        self.variant(number)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Entries<'a>, Error> {
        let encoder = self.counted(len)?;
        let start = encoder.out.position();
        Ok(Entries { encoder, start })
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        number: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        self.variant(number)
    }

    #[inline]
    fn collect_seq<I>(self, items: I) -> Result<(), Error>
    where
        I: IntoIterator<Item: Serialize>,
    {
        let mut items = items.into_iter();
        let len = match items.size_hint() {
            (least, Some(most)) if least == most => Some(least),
            _ => None,
        };
        let mut list = self.counted(len)?;
        match copy_bytes(&mut items, list.out) {
            None => Ok(()),
            Some(item) => {
                list.element(&item)?;
                items.try_for_each(|item| list.element(&item))
            }
        }
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

impl SerializeSeq for Encoder<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// Implements a trait for values with a fixed number of parts, which are written one after the other.
macro_rules! parts {
    ($($trait:ident :: $method:ident($($name:ident: $type:ty)?);)*) => {$(
        impl $trait for Encoder<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: $type,)?
                value: &T,
            ) -> Result<(), Error> {
                self.part(value)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStruct::serialize_field(_name: &'static str);
    SerializeStructVariant::serialize_field(_name: &'static str);
}

/// Writes the entries of a map.
pub(super) struct Entries<'a> {
    encoder: Encoder<'a>,
    /// Where the entry begins.
    start: Position,
}

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.start = self.encoder.out.position();
        self.encoder.part(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.encoder.part(value)?;
        self.encoder.out.end_element(self.start)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}
