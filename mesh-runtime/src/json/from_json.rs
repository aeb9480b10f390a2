//! JSON to the encoding of the mesh: serde's `Serialize` for JSON that is read by its type. So the encoder, with its
//! limits, is the same as for values.

use std::{fmt::Display, num::IntErrorKind, str::FromStr};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap, SerializeSeq, SerializeTuple},
};
use serde_json::{Map, Number, Value};

use super::{
    Conversion, formats,
    path::Path,
    types::{
        Described, Field, Written, is_option, is_plain, may_be_null, resolve, resolve_structure,
    },
};
use crate::schema::{Named, PlainType, Structure, TypeDef, TypeRef};

/// The longest piece of JSON in an error, in characters.
const MAX_QUOTED: usize = 40;

/// Base64 with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A piece of JSON, and where it is.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) conversion: &'a Conversion<'a>,
    pub(super) json: &'a Value,
    pub(super) path: Path<'a>,
}

/// JSON that is to be a value of a type.
pub(super) struct FromJson<'a> {
    pub(super) at: At<'a>,
    pub(super) holds: &'a TypeRef,
}

/// JSON that is to be an object with these fields.
pub(super) struct Fields<'a> {
    pub(super) at: At<'a>,
    /// What has these fields.
    pub(super) of: &'a str,
    pub(super) fields: &'a [Field<'a>],
}

impl<'a> At<'a> {
    fn types(&self) -> &'a [TypeDef] {
        self.conversion.types
    }

    #[cold]
    fn error<E: Error>(&self, problem: impl Display) -> E {
        self.conversion.failed_at(&self.path);
        E::custom(problem)
    }

    #[cold]
    fn expected<E: Error>(&self, expected: impl Display) -> E {
        self.error(format_args!(
            "expected {expected}, got {}",
            quoted(self.json)
        ))
    }

    fn array<E: Error>(&self, expected: impl Display) -> Result<&'a [Value], E> {
        match self.json {
            Value::Array(elements) => Ok(elements),
            _ => Err(self.expected(expected)),
        }
    }

    fn element<'b>(&'b self, index: usize, json: &'b Value) -> At<'b> {
        At {
            conversion: self.conversion,
            json,
            path: Path::Index(&self.path, index),
        }
    }

    fn field<'b>(&'b self, name: &'b str, json: &'b Value) -> At<'b> {
        At {
            conversion: self.conversion,
            json,
            path: Path::Field(&self.path, name),
        }
    }

    fn text<E: Error>(&self, expected: &str) -> Result<&'a str, E> {
        self.json.as_str().ok_or_else(|| self.expected(expected))
    }

    /// An integer: a number, or one in quotes.
    fn integer<T, E>(&self, range: &str) -> Result<T, E>
    where
        T: FromStr<Err = std::num::ParseIntError>,
        E: Error,
    {
        let digits = match self.json {
            Value::Number(number) if number.is_f64() => return Err(self.not_integral(number)),
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return Err(self.expected("a number")),
        };
        digits.parse().map_err(|error: std::num::ParseIntError| {
            let unsigned = digits.strip_prefix('-').unwrap_or(&digits);
            let is_number = !unsigned.is_empty() && unsigned.bytes().all(|c| c.is_ascii_digit());
            match error.kind() {
                IntErrorKind::InvalidDigit if !is_number => self.expected("a number"),
                IntErrorKind::Empty => self.expected("a number"),
                _ => self.expected(format_args!("a number {range}")),
            }
        })
    }

    fn not_integral<E: Error>(&self, number: &Number) -> E {
        let is_large = number
            .as_f64()
            .is_some_and(|float| float.fract() == 0.0 && float.abs() >= 9e18);
        self.expected(if is_large {
            "an integer, in quotes as it is over 18446744073709551615 or under -9223372036854775808"
        } else {
            "an integer"
        })
    }

    fn float<E: Error>(&self) -> Result<f64, E> {
        match self.json {
            Value::Number(number) => number.as_f64().ok_or_else(|| self.expected("a number")),
            Value::String(text) => match text.as_str() {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                _ => Err(self.expected("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")),
            },
            _ => Err(self.expected("a number")),
        }
    }

    fn f32<E: Error>(&self) -> Result<f32, E> {
        let wide = self.float()?;
        let narrow = wide as f32;
        if wide.is_finite() && narrow.is_infinite() {
            return Err(self.expected("a number that an f32 can hold"));
        }
        Ok(narrow)
    }

    /// Bytes: base64, or a list of numbers.
    fn bytes<E: Error>(&self) -> Result<Vec<u8>, E> {
        match self.json {
            Value::String(text) => BASE64
                .decode(text)
                .map_err(|error| self.error(format_args!("not base64: {error}"))),
            Value::Array(elements) => {
                let elements = elements.iter().enumerate();
                elements
                    .map(|(index, json)| self.element(index, json).integer("from 0 to 255"))
                    .collect()
            }
            _ => Err(self.expected("bytes as base64, or as a list of numbers")),
        }
    }

    fn plain<S: Serializer>(&self, plain: PlainType, to: S) -> Result<S::Ok, S::Error> {
        macro_rules! integer {
            ($serialize:ident, $number:ty) => {{
                let range = format!("from {} to {}", <$number>::MIN, <$number>::MAX);
                to.$serialize(self.integer::<$number, S::Error>(&range)?)
            }};
        }
        match plain {
            PlainType::Bool => match self.json {
                Value::Bool(truth) => to.serialize_bool(*truth),
                _ => Err(self.expected("true or false")),
            },
            PlainType::I8 => integer!(serialize_i8, i8),
            PlainType::I16 => integer!(serialize_i16, i16),
            PlainType::I32 => integer!(serialize_i32, i32),
            PlainType::I64 => integer!(serialize_i64, i64),
            PlainType::I128 => integer!(serialize_i128, i128),
            PlainType::U8 => integer!(serialize_u8, u8),
            PlainType::U16 => integer!(serialize_u16, u16),
            PlainType::U32 => integer!(serialize_u32, u32),
            PlainType::U64 => integer!(serialize_u64, u64),
            PlainType::U128 => integer!(serialize_u128, u128),
            PlainType::F32 => to.serialize_f32(self.f32()?),
            PlainType::F64 => to.serialize_f64(self.float()?),
            PlainType::Char => {
                let mut chars = self.text::<S::Error>("a character as text")?.chars();
                match (chars.next(), chars.next()) {
                    (Some(char), None) => to.serialize_char(char),
                    _ => Err(self.expected("a text of one character")),
                }
            }
            PlainType::Text => to.serialize_str(self.text("a text")?),
            PlainType::Bytes => to.serialize_bytes(&self.bytes()?),
            PlainType::Unit | PlainType::Any => match self.json {
                Value::Null => to.serialize_unit(),
                _ => Err(self.expected("null")),
            },
        }
    }

    fn structured<S: Serializer>(self, def: &'a TypeDef, to: S) -> Result<S::Ok, S::Error> {
        match &def.structure {
            Structure::Option { of } => self.option(of, to),
            Structure::List { of } => self.list(of, to),
            Structure::Map { key, value } => self.map(key, value, to),
            Structure::Array { len, of } => self.tuple(*len, |_| of, to),
            Structure::Tuple { items } => self.tuple(items.len(), |index| &items[index], to),
            Structure::Struct { fields } => {
                let fields: Vec<Field<'_>> = fields.iter().map(Field::from).collect();
                let at = self;
                (Fields {
                    at,
                    of: &def.name,
                    fields: &fields,
                })
                .serialize(to)
            }
            Structure::Enum { variants } => self.variant(variants, to),
            // `resolve` has looked through newtypes, and refused what is not known.
            Structure::Newtype { .. } | Structure::Later => to.serialize_unit(),
        }
    }

    fn option<S: Serializer>(self, holds: &'a TypeRef, to: S) -> Result<S::Ok, S::Error> {
        if self.json.is_null() {
            return to.serialize_none();
        }
        if !may_be_null(self.types(), holds) {
            return to.serialize_some(&FromJson { at: self, holds });
        }
        match self.json.as_object().and_then(|object| only_entry(object)) {
            Some(("some", json)) => {
                let at = self.field("some", json);
                to.serialize_some(&FromJson { at, holds })
            }
            _ => Err(self.expected("null or {\"some\": …}")),
        }
    }

    fn list<S: Serializer>(self, of: &'a TypeRef, to: S) -> Result<S::Ok, S::Error> {
        if is_plain(self.types(), of, PlainType::U8) {
            return self.bytes()?.serialize(to);
        }
        let elements = self.array("a list")?;
        let mut list = to.serialize_seq(Some(elements.len()))?;
        for (index, json) in elements.iter().enumerate() {
            let at = self.element(index, json);
            list.serialize_element(&FromJson { at, holds: of })?;
        }
        list.end()
    }

    fn tuple<S: Serializer>(
        self,
        len: usize,
        item: impl Fn(usize) -> &'a TypeRef,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let elements = self.array(format_args!("a list of {len}"))?;
        if elements.len() != len {
            let got = elements.len();
            return Err(self.error(format_args!("expected a list of {len}, got one of {got}")));
        }
        let mut tuple = to.serialize_tuple(len)?;
        for (index, json) in elements.iter().enumerate() {
            let at = self.element(index, json);
            let holds = item(index);
            tuple.serialize_element(&FromJson { at, holds })?;
        }
        tuple.end()
    }

    fn map<S: Serializer>(
        self,
        key: &'a TypeRef,
        value: &'a TypeRef,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let has_text_keys = is_plain(self.types(), key, PlainType::Text);
        match self.json {
            Value::Object(object) if has_text_keys => {
                let mut map = to.serialize_map(Some(object.len()))?;
                for (key, json) in object {
                    let at = At {
                        conversion: self.conversion,
                        json,
                        path: Path::Key(&self.path, key),
                    };
                    map.serialize_entry(key, &FromJson { at, holds: value })?;
                }
                map.end()
            }
            Value::Array(entries) => {
                let mut map = to.serialize_map(Some(entries.len()))?;
                for (index, json) in entries.iter().enumerate() {
                    let entry = self.element(index, json);
                    let Value::Array(pair) = json else {
                        return Err(entry.expected("[key, value]"));
                    };
                    let [first, second] = &pair[..] else {
                        return Err(entry.expected("[key, value]"));
                    };
                    let (first, second) = (entry.element(0, first), entry.element(1, second));
                    map.serialize_key(&FromJson {
                        at: first,
                        holds: key,
                    })?;
                    map.serialize_value(&FromJson {
                        at: second,
                        holds: value,
                    })?;
                }
                map.end()
            }
            _ if has_text_keys => Err(self.expected("an object")),
            _ => Err(self.expected("a list of [key, value]")),
        }
    }

    /// A variant: its name, or an object of its name and its contents.
    fn variant<S: Serializer>(self, variants: &'a [Named], to: S) -> Result<S::Ok, S::Error> {
        let (name, contents) = match self.json {
            Value::String(name) => (name.as_str(), &Value::Null),
            Value::Object(object) => match only_entry(object) {
                Some(entry) => entry,
                None => return Err(self.expected("an object with one entry, named as a variant")),
            },
            _ => return Err(self.expected(format_args!("one of {}", names(variants)))),
        };
        let mut known = (0_u32..).zip(variants);
        let Some((number, variant)) = known.find(|(_, variant)| variant.name == name) else {
            return Err(self.error(format_args!(
                "no variant is named {name:?}; there are {}",
                names(variants)
            )));
        };
        let holds = &variant.holds;
        let has_contents = !is_plain(self.types(), holds, PlainType::Unit);
        if has_contents && self.json.is_string() {
            let described = self.described(holds);
            return Err(self.error(format_args!(
                "the variant has contents: write {{{name:?}: …}}, with {described} for the dots"
            )));
        }
        let at = self.field(name, contents);
        to.serialize_newtype_variant("", number, "", &FromJson { at, holds })
    }

    fn described(&self, holds: &'a TypeRef) -> Described<'a> {
        Described {
            types: self.types(),
            holds,
            depth: 0,
        }
    }
}

impl Serialize for FromJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { at, holds } = self;
        let written = match resolve(at.types(), holds) {
            // Only text is in the format.
            Ok(Written::Formatted(_)) if !at.json.is_string() => {
                resolve_structure(at.types(), holds)
            }
            written => written,
        };
        let result = match written {
            Ok(Written::Plain(plain)) => at.plain(plain, to),
            Ok(Written::Formatted(format)) => {
                let text = at.json.as_str().unwrap_or_default();
                formats::encode(format, text, to, |expected| at.expected(expected))
            }
            Ok(Written::Structured(def)) => at.structured(def, to),
            Err(problem) => Err(at.error(problem)),
        };
        // The encoder's own errors, as one of too many levels.
        result.inspect_err(|_| at.conversion.failed_at(&at.path))
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { at, of, fields } = self;
        let Value::Object(object) = at.json else {
            return Err(at.expected(format_args!("an object with the fields of {of}")));
        };
        self.check(object)?;
        let mut parts = to.serialize_tuple(fields.len())?;
        for Field { name, holds } in *fields {
            let json = object.get(*name).unwrap_or(&Value::Null);
            let at = at.field(name, json);
            parts.serialize_element(&FromJson { at, holds })?;
        }
        parts.end()
    }
}

impl Fields<'_> {
    /// Checks the names of the fields. Those of options may be left out.
    fn check<E: Error>(&self, object: &Map<String, Value>) -> Result<(), E> {
        let Self { at, of, fields } = self;
        if let Some(unknown) = object
            .keys()
            .find(|key| !fields.iter().any(|field| field.name == *key))
        {
            let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let known = match names[..] {
                [] => "it has none".to_owned(),
                _ => format!("there are {}", names.join(", ")),
            };
            return Err(at.error(format_args!("{of} has no field {unknown:?}; {known}")));
        }
        let missing: Vec<String> = fields
            .iter()
            .filter(|field| !object.contains_key(field.name))
            .filter(|field| !is_option(at.types(), field.holds))
            .map(|field| format!("{} ({})", field.name, at.described(field.holds)))
            .collect();
        match &missing[..] {
            [] => Ok(()),
            [field] => Err(at.error(format_args!("{of} lacks the field {field}"))),
            fields => Err(at.error(format_args!("{of} lacks the fields {}", fields.join(", ")))),
        }
    }
}

fn only_entry(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = object.iter();
    let (key, value) = entries.next()?;
    entries.next().is_none().then_some((key.as_str(), value))
}

fn names(variants: &[Named]) -> String {
    let names: Vec<&str> = variants.iter().map(|named| named.name.as_str()).collect();
    names.join(", ")
}

/// A piece of JSON for an error.
fn quoted(json: &Value) -> String {
    match json {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        plain => {
            let text = plain.to_string();
            match text.char_indices().nth(MAX_QUOTED) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        }
    }
}
