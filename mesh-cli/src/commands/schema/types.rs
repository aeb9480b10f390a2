//! The structs and enums of a schema, as text. Types without a name are written where they are used.

use mesh_runtime::schema::{Format, Named, PlainType, Structure, TypeDef, TypeRef};

use crate::{
    output::plain,
    type_text::{self, Kind},
};

/// All named structs and enums, each as a declaration.
pub(super) fn of(types: &[TypeDef]) -> String {
    let mut text = String::new();
    for (index, def) in types.iter().enumerate() {
        // A `Result` is known to everybody.
        if def.name.is_empty() || type_text::is_result(def) || is_inside_a_text(types, index) {
            continue;
        }
        match &def.structure {
            Structure::Struct { fields } => declare(&mut text, "struct", def, fields, |field| {
                format!(
                    "{}: {}",
                    plain(&field.name),
                    type_text::name(types, &field.holds)
                )
            }),
            Structure::Enum { variants } => declare(&mut text, "enum", def, variants, |variant| {
                variant_text(types, variant)
            }),
            _ => {}
        }
    }
    text
}

fn declare(
    text: &mut String,
    keyword: &str,
    def: &TypeDef,
    parts: &[Named],
    part_text: impl Fn(&Named) -> String,
) {
    if def.has_aliases {
        text.push_str("// Has aliases: its values cannot be written as JSON.\n");
    }
    text.push_str(&format!("{keyword} {} {{\n", plain(&def.name)));
    for part in parts {
        text.push_str(&format!("    {},\n", part_text(part)));
    }
    text.push_str("}\n");
}

/// A variant with its contents: `Cash`, `Card(text)`, `Invoice { days: u16 }`.
fn variant_text(types: &[TypeDef], variant: &Named) -> String {
    let name = plain(&variant.name);
    if let Kind::Structured(def) = type_text::resolve(types, &variant.holds) {
        match &def.structure {
            Structure::Tuple { .. } => {
                return format!("{name}{}", type_text::name(types, &variant.holds));
            }
            Structure::Struct { fields } if def.name.is_empty() => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|field| {
                        let holds = type_text::name(types, &field.holds);
                        format!("{}: {holds}", plain(&field.name))
                    })
                    .collect();
                return format!("{name} {{ {} }}", fields.join(", "));
            }
            _ => {}
        }
    }
    if type_text::is_plain(types, &variant.holds, PlainType::Unit) {
        return name;
    }
    format!("{name}({})", type_text::name(types, &variant.holds))
}

/// Whether a type is the structure of one whose values are written as a text, such as a time.
fn is_inside_a_text(types: &[TypeDef], index: usize) -> bool {
    let is_this = |of: &TypeRef| matches!(of, TypeRef::Def(number) if *number as usize == index);
    types.iter().any(|other| {
        let is_text = other.format.is_some_and(|format| format != Format::Later);
        matches!(&other.structure, Structure::Newtype { of } if is_text && is_this(of))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn text(types: Value) -> String {
        let types: Vec<TypeDef> = serde_json::from_value(types).unwrap();
        of(&types)
    }

    #[test]
    fn structs_and_enums_are_declared_with_their_parts() {
        let text = text(json!([
            {"name": "Order", "kind": "struct", "fields": [
                {"name": "id", "type": 6},
                {"name": "lines", "type": 1},
                {"name": "pays", "type": 3},
                {"name": "note", "type": 5}
            ]},
            {"kind": "list", "of": 2},
            {"name": "Line", "kind": "struct", "fields": [{"name": "sku", "type": "text"}]},
            {"name": "Method", "kind": "enum", "variants": [
                {"name": "Cash", "type": "unit"},
                {"name": "Card", "type": "text"},
                {"name": "Order", "type": 0},
                {"name": "Invoice", "type": 4},
                {"name": "Pair", "type": 7}
            ]},
            {"kind": "struct", "fields": [{"name": "days", "type": "u16"}]},
            {"kind": "option", "of": "text"},
            {"name": "Uuid", "format": "uuid", "kind": "newtype", "of": "bytes"},
            {"kind": "tuple", "items": ["u8", "text"]},
            {"name": "Result", "kind": "enum", "variants": [
                {"name": "Ok", "type": "unit"}, {"name": "Err", "type": 2}
            ]}
        ]));
        let expected = "\
struct Order {
    id: uuid,
    lines: [Line],
    pays: Method,
    note: text?,
}
struct Line {
    sku: text,
}
enum Method {
    Cash,
    Card(text),
    Order(Order),
    Invoice { days: u16 },
    Pair(u8, text),
}
";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_structure_inside_a_text_is_not_declared() {
        let ip = json!([
            {"name": "IpAddr", "kind": "enum", "variants": [{"name": "V4", "type": "u32"}]},
            {"name": "IpAddr", "format": "ip", "kind": "newtype", "of": 0}
        ]);
        assert_eq!(text(ip), "");
    }

    #[test]
    fn names_do_not_steer_the_terminal_and_endless_types_end() {
        let text = text(json!([
            {"name": "Tr\u{1b}[2Jee", "kind": "struct", "has_aliases": true, "fields": [
                {"name": "in\u{1b}side", "type": 0}, {"name": "nothing", "type": 4_000_000_000_u32}
            ]}
        ]));
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(text.contains("nothing: ?,\n"), "{text}");
        assert!(text.starts_with("// Has aliases"), "{text}");
    }
}
