//! Compares arguments with their types before they are sent, and lists all fields that are missing or not known. The
//! encoder stops at the first problem; what is not found here, it finds.

use mesh_runtime::schema::{CommandDescription, Named, PlainType, Structure, TypeDef, TypeRef};
use serde_json::{Map, Value};

use crate::{
    closest::meant,
    output::plain,
    type_text::{self, Kind},
};

/// How many problems are listed.
const MAX_FOUND: usize = 50;

/// What is wrong with these arguments, a line for each problem.
pub(super) fn of(types: &[TypeDef], command: &CommandDescription, json: &Value) -> Vec<String> {
    let mut search = Search {
        types,
        found: Vec::new(),
    };
    let args = command.args.iter();
    let args: Vec<_> = args.map(|arg| (arg.name.as_str(), &arg.holds)).collect();
    if let Value::Object(object) = json {
        search.fields("", &args, object);
    }
    if search.is_full() {
        search.found.push("…".to_owned());
    }
    search.found
}

struct Search<'a> {
    types: &'a [TypeDef],
    found: Vec<String>,
}

impl<'a> Search<'a> {
    fn is_full(&self) -> bool {
        self.found.len() >= MAX_FOUND
    }

    fn add(&mut self, problem: String) {
        if !self.is_full() {
            self.found.push(problem);
        }
    }

    /// An object that is to have these fields.
    fn fields(
        &mut self,
        path: &str,
        fields: &[(&'a str, &'a TypeRef)],
        object: &Map<String, Value>,
    ) {
        for &(name, holds) in fields {
            let place = field_path(path, name);
            match object.get(name) {
                Some(json) => self.value(&place, holds, json),
                None if type_text::is_option(self.types, holds) => {}
                None => {
                    let text = type_text::of(self.types, holds);
                    self.add(format!("{place} is missing: {text}"));
                }
            }
        }
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        for unknown in object.keys() {
            if !names.contains(&unknown.as_str()) {
                let place = field_path(path, unknown);
                self.add(format!("{place} is not known{}", instead(unknown, &names)));
            }
        }
    }

    fn value(&mut self, path: &str, holds: &'a TypeRef, json: &Value) {
        if self.is_full() {
            return;
        }
        // What has no parts is left to the encoder, and so is text in a form of its own.
        let Kind::Structured(def) = type_text::resolve(self.types, holds) else {
            return;
        };
        if def.has_aliases {
            return;
        }
        match (&def.structure, json) {
            (Structure::Option { of }, json) => self.option(path, of, json),
            (Structure::List { of } | Structure::Array { of, .. }, Value::Array(elements)) => {
                self.elements(path, of, elements);
            }
            (Structure::Tuple { items }, Value::Array(elements)) => {
                for (index, (holds, json)) in items.iter().zip(elements).enumerate() {
                    self.value(&format!("{path}[{index}]"), holds, json);
                }
            }
            (Structure::Map { value, .. }, Value::Object(object)) => {
                for (key, json) in object {
                    self.value(&format!("{path}[{:?}]", plain(key)), value, json);
                }
            }
            (Structure::Map { key, value }, Value::Array(entries)) => {
                self.entries(path, key, value, entries);
            }
            (Structure::Struct { fields }, Value::Object(object)) => {
                let fields = fields.iter();
                let fields: Vec<_> = fields
                    .map(|field| (field.name.as_str(), &field.holds))
                    .collect();
                self.fields(path, &fields, object);
            }
            (Structure::Enum { variants }, json) => self.variant(path, variants, json),
            _ => {}
        }
    }

    /// An option is `null` or its value. If that may be `null` itself, the value is in `{"some": …}`.
    fn option(&mut self, path: &str, of: &'a TypeRef, json: &Value) {
        if json.is_null() {
            return;
        }
        let may_be_null = type_text::is_option(self.types, of)
            || type_text::is_plain(self.types, of, PlainType::Unit);
        if !may_be_null {
            self.value(path, of, json);
        } else if let Some(json) = json.get("some") {
            self.value(&field_path(path, "some"), of, json);
        }
    }

    fn elements(&mut self, path: &str, of: &'a TypeRef, elements: &[Value]) {
        if !matches!(type_text::resolve(self.types, of), Kind::Structured(_)) {
            return;
        }
        for (index, json) in elements.iter().enumerate() {
            self.value(&format!("{path}[{index}]"), of, json);
        }
    }

    /// The entries of a map, each as `[key, value]`.
    fn entries(&mut self, path: &str, key: &'a TypeRef, value: &'a TypeRef, entries: &[Value]) {
        for (index, entry) in entries.iter().enumerate() {
            if let Some([first, second]) = entry.as_array().map(Vec::as_slice) {
                self.value(&format!("{path}[{index}][0]"), key, first);
                self.value(&format!("{path}[{index}][1]"), value, second);
            }
        }
    }

    /// A variant is its name, or an object with its name and its contents.
    fn variant(&mut self, path: &str, variants: &'a [Named], json: &Value) {
        let (name, contents) = match json {
            Value::String(name) => (name, None),
            Value::Object(object) if object.len() == 1 => match object.iter().next() {
                Some((name, contents)) => (name, Some(contents)),
                None => return,
            },
            _ => return,
        };
        let variant = variants.iter().find(|variant| variant.name == *name);
        match (variant, contents) {
            (Some(variant), Some(contents)) => {
                self.value(&field_path(path, name), &variant.holds, contents);
            }
            (Some(_), None) => {}
            (None, _) => {
                let names: Vec<&str> = variants.iter().map(|known| known.name.as_str()).collect();
                let instead = instead(name, &names);
                self.add(format!(
                    "{path}: no variant is named {:?}{instead}",
                    plain(name)
                ));
            }
        }
    }
}

fn field_path(path: &str, name: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    format!("{path}{dot}{}", plain(name))
}

/// What may be meant by a name that is not known.
fn instead(unknown: &str, known: &[&str]) -> String {
    match meant(unknown, known.iter().copied()) {
        Some(name) => format!("; did you mean `{}`?", plain(name)),
        None if known.is_empty() => "; there are none".to_owned(),
        None => format!("; there are {}", plain(&known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The problems with arguments of `order: Order, state: State?, limits: {text: Line}`.
    fn problems(json: Value) -> Vec<String> {
        let types: Vec<TypeDef> = serde_json::from_value(json!([
            {"kind": "struct", "name": "Order", "fields": [
                {"name": "customer", "type": 5}, {"name": "lines", "type": 1}, {"name": "note", "type": 3},
            ]},
            {"kind": "list", "of": 2},
            {"kind": "struct", "name": "Line", "fields": [
                {"name": "sku", "type": "text"}, {"name": "cents", "type": "u64"},
            ]},
            {"kind": "option", "of": "text"},
            {"kind": "enum", "name": "State", "variants": [
                {"name": "Open", "type": "unit"}, {"name": "Paid", "type": 2},
            ]},
            {"kind": "newtype", "name": "Customer", "of": "u64"},
            {"kind": "option", "of": 4},
            {"kind": "map", "key": "text", "value": 2},
        ]))
        .unwrap();
        let command: CommandDescription = serde_json::from_value(json!({
            "name": "charge", "id": "0x00000400", "fingerprint": "0x1", "wire_fingerprint": "0x1",
            "delivery": "balanced",
            "args": [
                {"name": "order", "rust": "Order", "type": 0},
                {"name": "state", "rust": "Option<State>", "type": 6},
                {"name": "limits", "rust": "HashMap<String, Line>", "type": 7},
            ],
        }))
        .unwrap();
        of(&types, &command, &json)
    }

    #[test]
    fn all_that_is_missing_or_not_known_is_listed() {
        let json = json!({
            "order": {"custmer": 1, "lines": [{"sku": "a", "cents": 1}, {"sku": "b"}]},
            "state": {"Paid": {"sku": "c"}},
            "limits": {"low": {"sku": "d", "cents": 1, "xyz": 1}},
        });
        assert_eq!(
            problems(json),
            [
                "order.customer is missing: u64",
                "order.lines[1].cents is missing: u64",
                "order.custmer is not known; did you mean `customer`?",
                "state.Paid.cents is missing: u64",
                "limits[\"low\"].xyz is not known; there are sku, cents",
            ]
        );
        assert_eq!(
            problems(json!({})),
            [
                "order is missing: Order { customer: u64, lines: [Line { sku: text, cents: u64 }], note: text? }",
                "limits is missing: {text: Line { sku: text, cents: u64 }}",
            ]
        );
    }

    #[test]
    fn options_may_be_left_out_and_variants_are_known_by_name() {
        let order = json!({"customer": 1, "lines": []});
        let with = |state: Value| problems(json!({"order": order, "state": state, "limits": {}}));
        assert!(with(Value::Null).is_empty());
        assert!(with(json!("Open")).is_empty());
        assert_eq!(
            with(json!("Opn")),
            ["state: no variant is named \"Opn\"; did you mean `Open`?"]
        );
    }

    #[test]
    fn values_of_another_type_are_left_to_the_encoder() {
        assert!(problems(json!([1])).is_empty());
        assert!(problems(json!({"order": 1, "limits": "x"})).is_empty());
    }

    #[test]
    fn the_list_has_an_end() {
        let lines = vec![json!({}); 1_000];
        let found = problems(json!({"order": {"customer": 1, "lines": lines}, "limits": {}}));
        assert_eq!(found.len(), MAX_FOUND + 1);
    }
}
