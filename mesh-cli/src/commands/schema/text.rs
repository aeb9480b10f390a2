//! A schema as text, in the words of `mesh_schema!`.

use mesh_runtime::schema::{
    CommandDescription, CommandOptions, Delivery, NodeDescription, Orphans, SchemaDescription,
};

use super::types;
use crate::output::plain;

const INDENT: &str = "    ";

const MS_IN_S: u64 = 1_000;
const MS_IN_MINUTE: u64 = 60 * MS_IN_S;
const MS_IN_HOUR: u64 = 60 * MS_IN_MINUTE;

/// The whole schema: the mesh, its node types, and the types of arguments and answers.
pub(super) fn of(schema: &SchemaDescription) -> String {
    let mut text = String::new();
    docs(&mut text, "", &schema.doc);
    text.push_str(&format!(
        "mesh {};    // fingerprint {:#018x}\n",
        plain(&schema.mesh),
        schema.fingerprint
    ));
    for described in &schema.nodes {
        text.push('\n');
        node(&mut text, described);
    }
    let types = types::of(&schema.types);
    if !types.is_empty() {
        text.push_str("\n// The types of arguments and answers\n");
        text.push_str(&types);
    }
    text
}

fn node(text: &mut String, node: &NodeDescription) {
    docs(text, "", &node.doc);
    text.push_str(&format!("node {} {{\n", plain(&node.name)));
    let mut list = |name: &str, value: String| {
        text.push_str(&format!("{INDENT}{name}: {value};\n"));
    };
    list(
        "allow",
        node.allow
            .as_ref()
            .map_or("any".to_owned(), |names| bracketed(names)),
    );
    list("connect", bracketed(&node.links_to));
    match node.reverse.as_deref() {
        None => {}
        Some([]) => list("reverse", "none".to_owned()),
        Some(names) => list("reverse", bracketed(names)),
    }
    for described in &node.commands {
        text.push('\n');
        command(text, described);
    }
    text.push_str("}\n");
}

fn command(text: &mut String, command: &CommandDescription) {
    docs(text, INDENT, &command.doc);
    for option in options(&command.options) {
        text.push_str(&format!("{INDENT}#[{option}]\n"));
    }
    text.push_str(&format!("{INDENT}{};\n", signature(command)));
}

/// The declaration of a command: `balanced fn charge(order: Order) -> Receipt`.
fn signature(command: &CommandDescription) -> String {
    let args: Vec<String> = command
        .args
        .iter()
        .map(|arg| format!("{}: {}", plain(&arg.name), plain(&arg.rust)))
        .collect();
    let answer = match &command.answer {
        Some(answer) => format!(" -> {}", plain(&answer.rust)),
        None => String::new(),
    };
    format!(
        "{} fn {}({}){answer}",
        keyword(command.delivery),
        plain(&command.name),
        args.join(", ")
    )
}

fn keyword(delivery: Option<Delivery>) -> &'static str {
    match delivery {
        Some(Delivery::Balanced) => "balanced",
        Some(Delivery::Gather | Delivery::Broadcast) => "broadcast",
        Some(Delivery::QueuedBalanced) => "queued balanced",
        Some(Delivery::QueuedBroadcast) => "queued broadcast",
        _ => "/* delivered in an unknown way */",
    }
}

/// The options as they are written in a schema, without those that are not set.
fn options(options: &CommandOptions) -> Vec<String> {
    let mut texts = Vec::new();
    let mut time = |name: &str, ms: Option<u64>| {
        texts.extend(ms.map(|ms| format!("{name} = \"{}\"", setting(ms))));
    };
    time("timeout", options.timeout_ms);
    time("backoff", options.backoff_ms);
    time("incompatible", options.incompatible_ms);
    if options.idempotent {
        texts.push("idempotent".to_owned());
    }
    for (name, number) in [
        ("concurrency", options.concurrency),
        ("attempts", options.attempts),
        ("version", (options.version > 0).then_some(options.version)),
    ] {
        texts.extend(number.map(|number| format!("{name} = {number}")));
    }
    if options.orphans == Orphans::Adopt {
        texts.push("orphans = \"adopt\"".to_owned());
    }
    if let Some(callers) = &options.allow {
        texts.push(format!("allow({})", joined(callers)));
    }
    texts
}

/// A time as a whole number with a unit, as in a schema.
fn setting(ms: u64) -> String {
    for (unit, name) in [(MS_IN_HOUR, "h"), (MS_IN_MINUTE, "m"), (MS_IN_S, "s")] {
        if ms > 0 && ms.is_multiple_of(unit) {
            return format!("{}{name}", ms / unit);
        }
    }
    format!("{ms}ms")
}

fn bracketed(names: &[String]) -> String {
    format!("[{}]", joined(names))
}

fn joined(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| plain(name)).collect();
    names.join(", ")
}

/// A doc comment, line by line.
fn docs(text: &mut String, indent: &str, doc: &str) {
    for line in doc.lines() {
        let line = plain(line.trim_end());
        let line = line.strip_prefix(' ').unwrap_or(&line);
        let blank = if line.is_empty() { "" } else { " " };
        text.push_str(&format!("{indent}///{blank}{line}\n"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> SchemaDescription {
        let schema = json!({
            "mesh": "Shop", "doc": " An online shop.", "fingerprint": "0x00000000000004d2",
            "nodes": [
                {"name": "Gateway", "links_to": ["Billing"], "allow": [], "reverse": [], "commands": []},
                {
                    "name": "Billing", "links_to": [], "commands": [
                        {
                            "name": "charge", "doc": " Charges one order.\n\n Once.",
                            "id": "0x00000001", "fingerprint": "0x0000000000000001",
                            "wire_fingerprint": "0x0000000000000001", "delivery": "balanced",
                            "args": [{"name": "order", "rust": "Order", "type": 0}],
                            "answer": {"rust": "Result<u64, Declined>", "type": "u64"},
                            "options": {
                                "timeout_ms": 2_000, "idempotent": true, "version": 2,
                                "allow": ["Gateway"]
                            }
                        },
                        {
                            "name": "export", "id": "0x00000002",
                            "fingerprint": "0x0000000000000001",
                            "wire_fingerprint": "0x0000000000000001",
                            "delivery": "queued_broadcast", "args": [],
                            "options": {"attempts": 5, "backoff_ms": 1_500, "orphans": "adopt"}
                        }
                    ]
                }
            ],
            "types": [{"name": "Order", "kind": "struct", "fields": [{"name": "id", "type": "u64"}]}]
        });
        SchemaDescription::from_json(&schema.to_string()).unwrap()
    }

    #[test]
    fn a_schema_is_written_as_it_is_declared() {
        let expected = r#"/// An online shop.
mesh Shop;    // fingerprint 0x00000000000004d2

node Gateway {
    allow: [];
    connect: [Billing];
    reverse: none;
}

node Billing {
    allow: any;
    connect: [];

    /// Charges one order.
    ///
    /// Once.
    #[timeout = "2s"]
    #[idempotent]
    #[version = 2]
    #[allow(Gateway)]
    balanced fn charge(order: Order) -> Result<u64, Declined>;

    #[backoff = "1500ms"]
    #[attempts = 5]
    #[orphans = "adopt"]
    queued broadcast fn export();
}

// The types of arguments and answers
struct Order {
    id: u64,
}
"#;
        assert_eq!(of(&schema()), expected);
    }

    #[test]
    fn a_delivery_of_a_later_version_is_named_so() {
        assert!(keyword(None).contains("unknown"));
    }

    #[test]
    fn times_have_the_biggest_unit_that_fits() {
        for (ms, text) in [
            (0, "0ms"),
            (200, "200ms"),
            (90_000, "90s"),
            (600_000, "10m"),
            (7_200_000, "2h"),
        ] {
            assert_eq!(setting(ms), text);
        }
    }
}
