//! Values that have parts: options, lists, maps, tuples, structs and enums.

use std::{collections::HashSet, fmt, marker::PhantomData};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::{Output, Reading, ToJson};
use crate::{
    json::{
        Conversion,
        path::Path,
        types::{Field, is_plain, may_be_null},
    },
    schema::{Named, PlainType, Structure, TypeRef},
};

/// A value whose parts are read.
pub(super) struct Inside<'a> {
    pub(super) conversion: &'a Conversion<'a>,
    pub(super) output: &'a mut Output,
    pub(super) path: Path<'a>,
    /// That of its parts.
    pub(super) level: u32,
}

impl<'a> Inside<'a> {
    /// A part, at the path that `path` makes of this value's.
    fn part<'b>(
        &'b mut self,
        holds: &'b TypeRef,
        path: impl FnOnce(&'b Path<'a>) -> Path<'b>,
    ) -> ToJson<'b> {
        ToJson {
            conversion: self.conversion,
            output: self.output,
            path: path(&self.path),
            level: self.level,
            reading: Reading::Type(holds),
        }
    }

    pub(super) fn structured<'de, D: Deserializer<'de>>(
        self,
        structure: &Structure,
        from: D,
    ) -> Result<(), D::Error> {
        let types = self.conversion.types;
        match structure {
            Structure::Option { of } => from.deserialize_option(OptionVisitor(self, of)),
            Structure::List { of } if is_plain(types, of, PlainType::U8) => {
                let bytes = Vec::<u8>::deserialize(from)?;
                self.output.value(&STANDARD.encode(bytes))
            }
            Structure::List { of } => from.deserialize_seq(ItemsVisitor(self, |_| Some(of))),
            Structure::Map { key, value } => from.deserialize_map(MapVisitor {
                inside: self,
                key,
                value,
            }),
            Structure::Array { len, of } => {
                self.output.takes_no_bytes()?;
                from.deserialize_tuple(*len, ItemsVisitor(self, |_| Some(of)))
            }
            Structure::Tuple { items } => {
                self.output.takes_no_bytes()?;
                from.deserialize_tuple(items.len(), ItemsVisitor(self, |index| items.get(index)))
            }
            Structure::Struct { fields } => {
                self.output.takes_no_bytes()?;
                let fields: Vec<Field<'_>> = fields.iter().map(Field::from).collect();
                from.deserialize_tuple(fields.len(), FieldsVisitor(self, &fields))
            }
            Structure::Enum { variants } => {
                from.deserialize_enum("", &[], VariantVisitor(self, variants))
            }
            // `resolve` has looked through newtypes, and refused what is not known.
            Structure::Newtype { .. } | Structure::Later => Ok(()),
        }
    }
}

struct OptionVisitor<'a>(Inside<'a>, &'a TypeRef);

impl<'de> Visitor<'de> for OptionVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an option")
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.0.output.write("null");
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let Self(mut inside, holds) = self;
        if !may_be_null(inside.conversion.types, holds) {
            return inside.part(holds, |path| *path).deserialize(from);
        }
        inside.output.write("{\"some\":");
        inside
            .part(holds, |path| Path::Field(path, "some"))
            .deserialize(from)?;
        inside.output.write("}");
        Ok(())
    }
}

/// Writes a list or a tuple. The function returns the type of the n-th item.
struct ItemsVisitor<'a, F>(Inside<'a>, F);

impl<'de, 'a, F: Fn(usize) -> Option<&'a TypeRef>> Visitor<'de> for ItemsVisitor<'a, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(mut inside, holds) = self;
        inside.output.write("[");
        let mut index = 0;
        while let Some(holds) = holds(index) {
            // The comma goes first, and away again if no item follows.
            let before = inside.output.json.len();
            inside.output.separate(index);
            let item = inside.part(holds, |path| Path::Index(path, index));
            if list.next_element_seed(item)?.is_none() {
                inside.output.json.truncate(before);
                break;
            }
            index += 1;
        }
        inside.output.write("]");
        Ok(())
    }
}

/// Writes an object of fields.
pub(super) struct FieldsVisitor<'a>(pub(super) Inside<'a>, pub(super) &'a [Field<'a>]);

impl<'de> Visitor<'de> for FieldsVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(mut inside, fields) = self;
        inside.output.write("{");
        for (index, Field { name, holds }) in fields.iter().enumerate() {
            inside.output.separate(index);
            inside.output.value(*name)?;
            inside.output.write(":");
            let field = inside.part(holds, |path| Path::Field(path, name));
            // There are as many as asked for.
            list.next_element_seed(field)?;
        }
        inside.output.write("}");
        Ok(())
    }
}

/// Writes a variant: its name, or an object of its name and its contents.
struct VariantVisitor<'a>(Inside<'a>, &'a [Named]);

impl<'de> Visitor<'de> for VariantVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an enum")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let Self(mut inside, variants) = self;
        let (number, contents) = access.variant_seed(PhantomData::<u32>)?;
        let Some(Named { name, holds }) = variants.get(number as usize) else {
            return Err(A::Error::custom(format_args!(
                "there is no variant number {number}"
            )));
        };
        if is_plain(inside.conversion.types, holds, PlainType::Unit) {
            contents.unit_variant()?;
            return inside.output.value(name.as_str());
        }
        inside.output.write("{");
        inside.output.value(name.as_str())?;
        inside.output.write(":");
        contents.newtype_variant_seed(inside.part(holds, |path| Path::Field(path, name)))?;
        inside.output.write("}");
        Ok(())
    }
}

/// Writes a map: an object if its keys are text and no key occurs twice, else a list of pairs.
struct MapVisitor<'a> {
    inside: Inside<'a>,
    key: &'a TypeRef,
    value: &'a TypeRef,
}

impl<'de> Visitor<'de> for MapVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        if is_plain(self.inside.conversion.types, self.key, PlainType::Text) {
            self.object(map)
        } else {
            self.pairs(map)
        }
    }
}

impl MapVisitor<'_> {
    fn pairs<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { inside, key, value } = self;
        inside.output.write("[");
        for index in 0.. {
            let before = inside.output.json.len();
            inside.output.separate(index);
            inside.output.write("[");
            let entry = Path::Index(&inside.path, index);
            let mut pair = Inside {
                path: entry,
                output: inside.output,
                ..inside
            };
            let first = pair.part(key, |path| Path::Index(path, 0));
            if map.next_key_seed(first)?.is_none() {
                inside.output.json.truncate(before);
                break;
            }
            pair.output.write(",");
            map.next_value_seed(pair.part(value, |path| Path::Index(path, 1)))?;
            inside.output.write("]");
        }
        inside.output.write("]");
        Ok(())
    }

    fn object<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self {
            mut inside, value, ..
        } = self;
        let start = inside.output.json.len();
        let mut entries: Vec<(String, usize)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let part = inside.part(value, |path| Path::Key(path, &key));
            map.next_value_seed(part)?;
            entries.push((key, inside.output.json.len()));
        }
        // Until here, only the values are written, one after another.
        let values = inside.output.json.split_off(start);
        let mut keys = HashSet::new();
        let is_object = entries.iter().all(|(key, _)| keys.insert(key));
        let [open, between, close] = if is_object {
            ["{", ":", "}"]
        } else {
            ["[", ",", "]"]
        };
        let [open_entry, close_entry] = if is_object { ["", ""] } else { ["[", "]"] };
        inside.output.write(open);
        let mut from = 0;
        for (index, (key, end)) in entries.iter().enumerate() {
            inside.output.separate(index);
            inside.output.write(open_entry);
            inside.output.value(key)?;
            inside.output.write(between);
            let to = end - start;
            inside.output.json.extend_from_slice(&values[from..to]);
            inside.output.write(close_entry);
            from = to;
        }
        inside.output.write(close);
        Ok(())
    }
}
