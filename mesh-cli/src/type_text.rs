//! Types for people: as one line of text, and as JSON to fill in.

use mesh_runtime::schema::{Format, Named, PlainType, Structure, TypeDef, TypeRef};
use serde_json::{Map, Value, json};

use crate::output::plain;

/// How many types inside one another are written out. Types may contain themselves.
const MAX_DEPTH: u32 = 4;

/// How many newtypes may be around a type. Only types that hold nothing but themselves have more.
const MAX_NEWTYPES: usize = 128;

/// From this length on, in bytes, no further parts are added to a text.
const MAX_TEXT: usize = 600;

/// The most values in a template.
const MAX_VALUES: usize = 1_000;

/// The longest array in a template.
const MAX_ARRAY: usize = 64;

/// What a type is in JSON.
pub(crate) enum Kind<'a> {
    /// A plain type.
    Plain(PlainType),
    /// Text in a form of its own.
    Formatted(Format),
    /// A type with parts. It is no newtype.
    Structured(&'a TypeDef),
    /// The description does not say.
    Unclear,
}

/// The type behind a reference, without the newtypes around it.
pub(crate) fn resolve<'a>(types: &'a [TypeDef], holds: &'a TypeRef) -> Kind<'a> {
    let mut holds = holds;
    for _ in 0..MAX_NEWTYPES {
        let index = match holds {
            TypeRef::Plain(plain) => return Kind::Plain(*plain),
            TypeRef::Def(index) => *index as usize,
            _ => return Kind::Unclear,
        };
        let Some(def) = types.get(index) else {
            return Kind::Unclear;
        };
        match (&def.structure, def.format) {
            (Structure::Newtype { .. }, Some(format)) if text_of(format).is_some() => {
                return Kind::Formatted(format);
            }
            (Structure::Newtype { of }, _) => holds = of,
            _ => return Kind::Structured(def),
        }
    }
    Kind::Unclear
}

/// Whether values of the type may be left out.
pub(crate) fn is_option(types: &[TypeDef], holds: &TypeRef) -> bool {
    match resolve(types, holds) {
        Kind::Structured(def) => matches!(def.structure, Structure::Option { .. }),
        _ => false,
    }
}

/// Whether the type is this plain one.
pub(crate) fn is_plain(types: &[TypeDef], holds: &TypeRef, plain: PlainType) -> bool {
    matches!(resolve(types, holds), Kind::Plain(found) if found == plain)
}

/// Whether the type is a `Result`.
pub(crate) fn is_result(def: &TypeDef) -> bool {
    let Structure::Enum { variants } = &def.structure else {
        return false;
    };
    let names = variants.iter().map(|variant| variant.name.as_str());
    def.name == "Result" && names.eq(["Ok", "Err"])
}

/// A type as one line: `u64`, `[Line { cents: u64 }]`, `Order { id: u64, note: text? }`, `"Open" | {"Paid": u64}`.
pub(crate) fn of(types: &[TypeDef], holds: &TypeRef) -> String {
    text(types, holds, false)
}

/// The same, but of a struct or an enum only the name: `Order`, `[Line]`.
pub(crate) fn name(types: &[TypeDef], holds: &TypeRef) -> String {
    text(types, holds, true)
}

/// The fields of a type, or of the elements of a list or map of it.
pub(crate) fn fields<'a>(types: &'a [TypeDef], holds: &'a TypeRef) -> Option<&'a [Named]> {
    let mut holds = holds;
    for _ in 0..MAX_DEPTH {
        let Kind::Structured(def) = resolve(types, holds) else {
            return None;
        };
        holds = match &def.structure {
            Structure::Struct { fields } => return Some(fields),
            Structure::Option { of } | Structure::List { of } | Structure::Array { of, .. } => of,
            Structure::Map { value, .. } => value,
            _ => return None,
        };
    }
    None
}

/// JSON of the type, with values to be replaced.
pub(crate) fn template(types: &[TypeDef], holds: &TypeRef) -> Value {
    let mut template = Template {
        types,
        left: MAX_VALUES,
    };
    template.value(holds, 0)
}

fn text(types: &[TypeDef], holds: &TypeRef, names_only: bool) -> String {
    let mut text = Text {
        types,
        names_only,
        out: String::new(),
    };
    text.write(holds, 0);
    text.out
}

/// What a format is called, and an example. `None` for one that this version does not know.
fn text_of(format: Format) -> Option<(&'static str, &'static str)> {
    Some(match format {
        Format::Uuid => ("uuid", "00000000-0000-0000-0000-000000000000"),
        Format::Ip => ("ip", "127.0.0.1"),
        Format::Ipv4 => ("ipv4", "127.0.0.1"),
        Format::Ipv6 => ("ipv6", "::1"),
        Format::Socket => ("ip:port", "127.0.0.1:80"),
        Format::SocketV4 => ("ipv4:port", "127.0.0.1:80"),
        Format::SocketV6 => ("ipv6:port", "[::1]:80"),
        Format::Duration => ("duration", "1s"),
        Format::Time => ("time", "2026-01-31T12:00:00Z"),
        _ => return None,
    })
}

/// A text that is written.
struct Text<'a> {
    types: &'a [TypeDef],
    /// Structs and enums are not written out.
    names_only: bool,
    out: String,
}

impl<'a> Text<'a> {
    fn write(&mut self, holds: &'a TypeRef, depth: u32) {
        match resolve(self.types, holds) {
            Kind::Plain(PlainType::Unit) => self.out.push_str("null"),
            Kind::Plain(plain) => self.out.push_str(plain.name()),
            Kind::Formatted(format) => {
                let (name, _) = text_of(format).unwrap_or(("?", ""));
                self.out.push_str(name);
            }
            Kind::Structured(def) if depth >= MAX_DEPTH => self.only_name(def),
            Kind::Structured(def) => self.structured(def, depth + 1),
            Kind::Unclear => self.out.push('?'),
        }
    }

    fn structured(&mut self, def: &'a TypeDef, depth: u32) {
        match &def.structure {
            Structure::Option { of } => self.option(of, depth),
            Structure::List { of } if is_plain(self.types, of, PlainType::U8) => {
                self.out.push_str("bytes");
            }
            Structure::List { of } => {
                self.out.push('[');
                self.write(of, depth);
                self.out.push(']');
            }
            Structure::Array { len, of } => {
                self.out.push('[');
                self.write(of, depth);
                self.out.push_str(&format!("; {len}]"));
            }
            Structure::Map { key, value } => {
                self.out.push('{');
                self.write(key, depth);
                self.out.push_str(": ");
                self.write(value, depth);
                self.out.push('}');
            }
            Structure::Tuple { items } => {
                self.out.push('(');
                self.list(items, ", ", |text, item| text.write(item, depth));
                self.out.push(')');
            }
            Structure::Struct { fields } if !self.names_only => {
                if !def.name.is_empty() {
                    self.out.push_str(&plain(&def.name));
                    self.out.push(' ');
                }
                self.out.push_str("{ ");
                self.list(fields, ", ", |text, field| {
                    text.out.push_str(&plain(&field.name));
                    text.out.push_str(": ");
                    text.write(&field.holds, depth);
                });
                self.out.push_str(" }");
            }
            Structure::Enum { variants } if !self.names_only => {
                self.list(variants, " | ", |text, variant| {
                    text.variant(variant, depth);
                });
            }
            _ => self.only_name(def),
        }
    }

    fn option(&mut self, of: &'a TypeRef, depth: u32) {
        let has_alternatives = match resolve(self.types, of) {
            Kind::Structured(def) => matches!(def.structure, Structure::Enum { .. }),
            _ => false,
        };
        if has_alternatives && !self.names_only {
            self.out.push('(');
            self.write(of, depth);
            self.out.push_str(")?");
        } else {
            self.write(of, depth);
            self.out.push('?');
        }
    }

    /// A variant as it is in JSON.
    fn variant(&mut self, variant: &'a Named, depth: u32) {
        let name = plain(&variant.name);
        if is_plain(self.types, &variant.holds, PlainType::Unit) {
            self.out.push_str(&format!("\"{name}\""));
        } else {
            self.out.push_str(&format!("{{\"{name}\": "));
            self.write(&variant.holds, depth);
            self.out.push('}');
        }
    }

    fn list<T>(
        &mut self,
        parts: &'a [T],
        separator: &str,
        mut write: impl FnMut(&mut Self, &'a T),
    ) {
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.out.push_str(separator);
            }
            if self.out.len() > MAX_TEXT {
                self.out.push('…');
                return;
            }
            write(self, part);
        }
    }

    fn only_name(&mut self, def: &TypeDef) {
        if def.name.is_empty() {
            self.out.push('…');
        } else {
            self.out.push_str(&plain(&def.name));
        }
    }
}

/// A template that is made.
struct Template<'a> {
    types: &'a [TypeDef],
    /// How many more values there may be.
    left: usize,
}

impl<'a> Template<'a> {
    fn value(&mut self, holds: &'a TypeRef, depth: u32) -> Value {
        let Some(left) = self.left.checked_sub(1) else {
            return Value::Null;
        };
        self.left = left;
        match resolve(self.types, holds) {
            Kind::Plain(plain) => example(plain),
            Kind::Formatted(format) => text_of(format).map_or(Value::Null, |(_, text)| json!(text)),
            Kind::Structured(def) if depth < MAX_DEPTH => self.structured(def, depth + 1),
            Kind::Structured(_) | Kind::Unclear => Value::Null,
        }
    }

    fn structured(&mut self, def: &'a TypeDef, depth: u32) -> Value {
        match &def.structure {
            Structure::List { of } if is_plain(self.types, of, PlainType::U8) => json!(""),
            Structure::List { of } => Value::Array(vec![self.value(of, depth)]),
            Structure::Array { len, of } => {
                let elements = (0..*len).take(MAX_ARRAY);
                elements.map(|_| self.value(of, depth)).collect()
            }
            Structure::Tuple { items } => {
                items.iter().map(|item| self.value(item, depth)).collect()
            }
            Structure::Map { key, value } if is_plain(self.types, key, PlainType::Text) => {
                json!({ "key": self.value(value, depth) })
            }
            Structure::Map { key, value } => {
                json!([[self.value(key, depth), self.value(value, depth)]])
            }
            Structure::Struct { fields } => {
                let fields = fields.iter();
                let fields = fields.map(|field| {
                    let value = self.value(&field.holds, depth);
                    (field.name.clone(), value)
                });
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Structure::Enum { variants } => match variants.first() {
                Some(first) if is_plain(self.types, &first.holds, PlainType::Unit) => {
                    json!(first.name)
                }
                Some(first) => {
                    let contents = self.value(&first.holds, depth);
                    Value::Object(Map::from_iter([(first.name.clone(), contents)]))
                }
                None => Value::Null,
            },
            // An option may be null. The others are of kinds that this version does not know.
            _ => Value::Null,
        }
    }
}

fn example(plain: PlainType) -> Value {
    match plain {
        PlainType::Bool => json!(false),
        PlainType::F32 | PlainType::F64 => json!(0.5),
        PlainType::Char => json!("a"),
        PlainType::Text | PlainType::Bytes => json!(""),
        PlainType::Unit | PlainType::Any => Value::Null,
        // All that is left are integers.
        _ => json!(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 `Order`, 1 `[Line]`, 2 `Line`, 3 `text?`, 4 `State`, 5 `Tree`, which contains 6 `[Tree]`, 7 `Duration`, 8 a
    /// newtype of itself, 9 `State?`, 10 `Id`, a newtype of `u64`.
    fn types() -> Vec<TypeDef> {
        serde_json::from_value(json!([
            {"kind": "struct", "name": "Order", "fields": [
                {"name": "id", "type": 10}, {"name": "lines", "type": 1}, {"name": "note", "type": 3},
            ]},
            {"kind": "list", "of": 2},
            {"kind": "struct", "name": "Line", "fields": [
                {"name": "cents", "type": "u64"}, {"name": "state", "type": 4},
            ]},
            {"kind": "option", "of": "text"},
            {"kind": "enum", "name": "State", "variants": [
                {"name": "Open", "type": "unit"}, {"name": "Paid", "type": "u64"},
            ]},
            {"kind": "struct", "name": "Tree", "fields": [{"name": "inside", "type": 6}]},
            {"kind": "list", "of": 5},
            {"kind": "newtype", "name": "Duration", "format": "duration", "of": "u64"},
            {"kind": "newtype", "name": "Loop", "of": 8},
            {"kind": "option", "of": 4},
            {"kind": "newtype", "name": "Id", "of": "u64"},
        ]))
        .unwrap()
    }

    #[test]
    fn types_are_written_as_they_are_in_json() {
        let types = types();
        let cases = [
            (json!("u64"), "u64"),
            (json!("unit"), "null"),
            (json!(3), "text?"),
            (json!(4), r#""Open" | {"Paid": u64}"#),
            (json!(9), r#"("Open" | {"Paid": u64})?"#),
            (json!(7), "duration"),
            (json!(8), "?"),
            (json!(99), "?"),
            (
                json!(0),
                r#"Order { id: u64, lines: [Line { cents: u64, state: "Open" | {"Paid": u64} }], note: text? }"#,
            ),
        ];
        for (holds, text) in cases {
            let holds = serde_json::from_value(holds).unwrap();
            assert_eq!(of(&types, &holds), text);
        }
        let lines = serde_json::from_value(json!(1)).unwrap();
        assert_eq!(name(&types, &lines), "[Line]");
        let names: Vec<_> = fields(&types, &lines)
            .into_iter()
            .flatten()
            .map(|field| field.name.as_str())
            .collect();
        assert_eq!(names, ["cents", "state"]);
    }

    #[test]
    fn a_result_is_known_by_its_name_and_its_variants() {
        let is = |name: &str, second: &str| {
            let def = json!({"kind": "enum", "name": name, "variants": [
                {"name": "Ok", "type": "unit"}, {"name": second, "type": "text"},
            ]});
            is_result(&serde_json::from_value(def).unwrap())
        };
        assert!(is("Result", "Err"));
        assert!(!is("Outcome", "Err") && !is("Result", "Bad"));
    }

    #[test]
    fn templates_have_every_field() {
        let order = serde_json::from_value(json!(0)).unwrap();
        assert_eq!(
            template(&types(), &order),
            json!({"id": 0, "lines": [{"cents": 0, "state": "Open"}], "note": null})
        );
    }

    #[test]
    fn types_that_contain_themselves_end() {
        let types = types();
        let tree = serde_json::from_value(json!(5)).unwrap();
        assert_eq!(
            of(&types, &tree),
            "Tree { inside: [Tree { inside: [Tree] }] }"
        );
        assert_eq!(
            template(&types, &tree),
            json!({"inside": [{"inside": [null]}]})
        );
    }

    #[test]
    fn types_of_many_parts_are_cut_off() {
        let fields: Vec<_> = (0..500)
            .map(|number| json!({"name": format!("field_{number}"), "type": 0}))
            .collect();
        let types: Vec<TypeDef> =
            serde_json::from_value(json!([{"kind": "struct", "name": "Wide", "fields": fields}]))
                .unwrap();
        let wide = serde_json::from_value(json!(0)).unwrap();
        let text = of(&types, &wide);
        assert!(text.len() < 2 * MAX_TEXT, "{}", text.len());
        assert!(template(&types, &wide).to_string().len() < 100_000);
    }
}
