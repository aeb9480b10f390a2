//! What the arguments of a command look like: every argument and field with its type, and JSON to fill in.

use mesh_runtime::schema::{CommandDescription, TypeDef, TypeRef};
use serde_json::{Map, Value};

use crate::{error::CliError, output::plain, type_text};

/// How many lines there are for arguments and fields.
const MAX_LINES: usize = 200;

/// How many levels of fields are listed. Types may contain themselves.
const MAX_DEPTH: usize = 4;

/// The name of a command, as `Billing.charge`.
pub(crate) fn full_name(node_type: &str, command: &CommandDescription) -> String {
    format!("{}.{}", plain(node_type), plain(&command.name))
}

/// Says that the command needs arguments, and which.
pub(super) fn error(types: &[TypeDef], node_type: &str, command: &CommandDescription) -> CliError {
    let name = full_name(node_type, command);
    let lines = lines(types, command).join("\n");
    let template = shell_quoted(&template(types, command));
    CliError::usage(format!("`{name}` needs arguments:\n{lines}"))
        .hint(format!("fill in: mesh call {name} '{template}'"))
}

/// An argument or field on each line, with its type. Fields are indented.
fn lines(types: &[TypeDef], command: &CommandDescription) -> Vec<String> {
    let mut lines = Vec::new();
    for arg in &command.args {
        add(types, &arg.name, &arg.holds, 1, &mut lines);
    }
    if lines.len() >= MAX_LINES {
        lines.push("  …".to_owned());
    }
    lines
}

fn add(types: &[TypeDef], name: &str, holds: &TypeRef, depth: usize, lines: &mut Vec<String>) {
    if lines.len() >= MAX_LINES {
        return;
    }
    let fields = type_text::fields(types, holds).unwrap_or_default();
    let text = if fields.is_empty() {
        type_text::of(types, holds)
    } else {
        type_text::name(types, holds)
    };
    lines.push(format!("{}{}: {text}", "  ".repeat(depth), plain(name)));
    if depth <= MAX_DEPTH {
        for field in fields {
            add(types, &field.name, &field.holds, depth + 1, lines);
        }
    }
}

/// All arguments, as JSON without blanks.
fn template(types: &[TypeDef], command: &CommandDescription) -> String {
    let args = command.args.iter();
    let args = args.map(|arg| (arg.name.clone(), type_text::template(types, &arg.holds)));
    Value::Object(args.collect::<Map<_, _>>()).to_string()
}

/// What can be between single quotes of a shell.
fn shell_quoted(text: &str) -> String {
    plain(text).replace('\'', r"'\''")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_argument_and_field_has_a_line_and_the_template_has_all() {
        let types: Vec<TypeDef> = serde_json::from_value(json!([
            {"kind": "struct", "name": "Order", "fields": [
                {"name": "id", "type": "u64"}, {"name": "lines", "type": 1},
            ]},
            {"kind": "list", "of": 2},
            {"kind": "struct", "name": "Line", "fields": [{"name": "cents", "type": "u64"}]},
        ]))
        .unwrap();
        let command: CommandDescription = serde_json::from_value(json!({
            "name": "charge", "id": "0x00000400", "fingerprint": "0x1", "wire_fingerprint": "0x1",
            "delivery": "balanced",
            "args": [
                {"name": "order", "rust": "Order", "type": 0},
                {"name": "note", "rust": "String", "type": "text"},
            ],
        }))
        .unwrap();
        let error = error(&types, "Billing", &command);
        assert_eq!(
            error.what(),
            "`Billing.charge` needs arguments:\n  order: Order\n    id: u64\n    lines: [Line]\n      \
             cents: u64\n  note: text"
        );
        let text = error.to_string();
        let (_, json) = text
            .split_once("hint: fill in: mesh call Billing.charge '")
            .unwrap();
        let json: Value = serde_json::from_str(json.strip_suffix('\'').unwrap()).unwrap();
        assert_eq!(
            json,
            json!({"order": {"id": 0, "lines": [{"cents": 0}]}, "note": ""})
        );
    }
}
