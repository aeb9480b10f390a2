//! A deserializer without data: it records what a type asks for, and supplies sample values.
//!
//! It behaves like the decoder of the wire format: not human readable, structs and tuples as sequences of fixed length,
//! variants by index, and an error for a type that asks for "any" value.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor, value::U32Deserializer,
};

use super::{
    formats,
    graph::{Graph, Key, Place, ShapeKind},
    samples,
    trace::{Refused, Trace},
};

/// The deserializer for one value.
pub(super) struct Tracer<'t> {
    trace: &'t mut Trace,
    at: Place,
    /// The number of open parts around this value.
    depth: usize,
    /// Set for the contents of a variant: that variant.
    variant: Option<Place>,
    /// The compiler's name of the type that is asked for, if the one who asks says it.
    wanted: Option<&'static str>,
}

/// An open part of a type, whose elements are being deserialized.
struct Inside<'t> {
    trace: &'t mut Trace,
    node: usize,
    /// The number of open parts around this one.
    depth: usize,
    /// The number of elements, and below, how many of them have been asked for.
    len: usize,
    next: usize,
}

impl<'t> Tracer<'t> {
    /// The deserializer for a whole `T`.
    pub(super) fn new<T>(trace: &'t mut Trace) -> Self {
        Self {
            trace,
            at: Graph::ROOT,
            depth: 0,
            variant: None,
            wanted: Some(std::any::type_name::<T>()),
        }
    }

    /// Records a leaf that becomes a `T`, unless the one who asked wants another type.
    fn leaf<T>(&mut self, name: &'static str, samples: usize) -> Result<usize, Refused> {
        let type_name = self.wanted.unwrap_or(std::any::type_name::<T>());
        self.trace.names(self.at, type_name);
        self.trace.leaf(self.at, name, samples)
    }

    fn unknown<T>(self, name: &'static str) -> Result<T, Refused> {
        self.trace.mark(self.at, name)?;
        Err(self.trace.refuse())
    }

    fn enter<'de, V: Visitor<'de>>(
        self,
        name: &'static str,
        kind: ShapeKind,
    ) -> Result<Inside<'t>, Refused> {
        let key = Key {
            visitor: std::any::type_name::<V>(),
            value: std::any::type_name::<V::Value>(),
            name,
            kind,
            variant: self.variant,
        };
        self.open(key)
    }

    fn open(self, key: Key) -> Result<Inside<'t>, Refused> {
        let kind = key.kind;
        if key.variant.is_none() {
            self.trace.names(self.at, self.wanted.unwrap_or(key.value));
        }
        let node = self.trace.enter(self.at, self.depth, key)?;
        let len = match kind {
            ShapeKind::Tuple(len) => len,
            ShapeKind::Struct(names) => names.len(),
            _ if self.trace.is_empty(self.depth, node) => 0,
            _ => 1,
        };
        Ok(Inside {
            trace: self.trace,
            node,
            depth: self.depth,
            len,
            next: 0,
        })
    }
}

impl Inside<'_> {
    /// The deserializer for the n-th element.
    fn at(&mut self, n: usize) -> Tracer<'_> {
        Tracer {
            at: self.trace.place(self.node, n),
            trace: self.trace,
            depth: self.depth + 1,
            variant: None,
            wanted: None,
        }
    }

    /// The deserializer for the n-th element, which is to be a `T`.
    fn typed<T>(&mut self, n: usize) -> Tracer<'_> {
        Tracer {
            wanted: Some(std::any::type_name::<T>()),
            ..self.at(n)
        }
    }

    /// Closes this part and returns its finished value.
    fn closed<T>(self, value: T) -> T {
        self.trace.leave(self.depth);
        value
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $ty:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
            // No sample is negative.
            let max = u128::try_from($ty::MAX).unwrap_or(u128::MAX);
            let sample = self.leaf::<V::Value>(stringify!($ty), samples::integers(max))?;
            visitor.$visit(samples::integer(sample))
        })*
    };
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Refused;

    fn is_human_readable(&self) -> bool {
        false
    }

    integers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let sample = self.leaf::<V::Value>("bool", samples::BOOLS.len())?;
        visitor.visit_bool(samples::BOOLS[sample])
    }

    fn deserialize_f32<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let sample = self.leaf::<V::Value>("f32", samples::FLOATS.len())?;
        visitor.visit_f32(samples::FLOATS[sample])
    }

    fn deserialize_f64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let sample = self.leaf::<V::Value>("f64", samples::FLOATS.len())?;
        visitor.visit_f64(samples::FLOATS[sample].into())
    }

    fn deserialize_char<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let sample = self.leaf::<V::Value>("char", samples::CHARS.len())?;
        visitor.visit_char(samples::CHARS[sample])
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let sample = self.leaf::<V::Value>("text", samples::TEXTS.len())?;
        visitor.visit_string(samples::TEXTS[sample].to_owned())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let sample = self.leaf::<V::Value>("bytes", samples::BYTES.len())?;
        visitor.visit_byte_buf(vec![0; samples::BYTES[sample]])
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.trace.mark(self.at, "unit")?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut inside = self.enter::<V>(name, ShapeKind::Newtype)?;
        let value = visitor.visit_newtype_struct(inside.at(0))?;
        Ok(inside.closed(value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let mut inside = self.enter::<V>("", ShapeKind::Option)?;
        let value = match inside.len {
            0 => visitor.visit_none()?,
            _ => {
                let mut held = inside.at(0);
                held.wanted = formats::in_option(std::any::type_name::<V::Value>());
                visitor.visit_some(held)?
            }
        };
        Ok(inside.closed(value))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let mut inside = self.enter::<V>("", ShapeKind::Seq)?;
        let value = visitor.visit_seq(&mut inside)?;
        Ok(inside.closed(value))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_tuple_struct("", len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut inside = self.enter::<V>(name, ShapeKind::Tuple(len))?;
        let value = visitor.visit_seq(&mut inside)?;
        Ok(inside.closed(value))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let mut inside = self.enter::<V>("", ShapeKind::Map)?;
        let value = visitor.visit_map(&mut inside)?;
        Ok(inside.closed(value))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut inside = self.enter::<V>(name, ShapeKind::Struct(fields))?;
        let value = visitor.visit_seq(&mut inside)?;
        if inside.next < inside.len {
            inside.trace.notes_aliases(inside.node);
        }
        Ok(inside.closed(value))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let mut inside = self.enter::<V>(name, ShapeKind::Enum(variants))?;
        let variant = inside.trace.choose(inside.node)?;
        let mut contents = inside.at(variant.slot);
        contents.variant = Some(variant);
        let value = visitor.visit_enum(Chosen(contents))?;
        inside.trace.explored(variant);
        Ok(inside.closed(value))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        self.unknown("identifier")
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        self.unknown("any")
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        self.unknown("any")
    }
}

impl<'de> SeqAccess<'de> for &mut Inside<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        if self.next >= self.len {
            return Ok(None);
        }
        self.next += 1;
        let element = self.next - 1;
        seed.deserialize(self.typed::<S::Value>(element)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.len - self.next)
    }
}

impl<'de> MapAccess<'de> for &mut Inside<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        if self.next >= self.len {
            return Ok(None);
        }
        self.next += 1;
        seed.deserialize(self.typed::<S::Value>(0)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        seed.deserialize(self.typed::<S::Value>(1))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.len - self.next)
    }
}

/// The variant that an enum takes in this pass.
struct Chosen<'t>(Tracer<'t>);

impl<'de> EnumAccess<'de> for Chosen<'_> {
    type Error = Refused;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Refused> {
        // The slot is less than the number of names. An enum with more variants than fit a u32 does not compile.
        let index = u32::try_from(self.0.at.slot).unwrap_or(u32::MAX);
        let index: U32Deserializer<Refused> = index.into_deserializer();
        match seed.deserialize(index) {
            Ok(variant) => Ok((variant, self)),
            // The names may include aliases, which have no variant of their own.
            Err(Refused) => {
                self.0.trace.notes_aliases(self.0.at.node);
                Err(self.0.trace.refuse())
            }
        }
    }
}

impl<'de> VariantAccess<'de> for Chosen<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        self.0.trace.mark(self.0.at, "unit")
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refused> {
        let contents = Tracer {
            variant: None,
            wanted: Some(std::any::type_name::<S::Value>()),
            ..self.0
        };
        seed.deserialize(contents)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Refused> {
        self.0.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.0.deserialize_struct("", fields, visitor)
    }
}
