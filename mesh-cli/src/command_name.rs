//! Commands by their names: `Billing.charge` or `Billing/charge`.

use mesh_runtime::schema::{CommandDescription, NodeDescription, SchemaDescription};

use crate::{
    closest::{closest, listed, meant},
    error::{CliError, Result},
    output::plain,
};

/// The command that is called so in the schema.
pub(crate) fn find<'a>(
    schema: &'a SchemaDescription,
    name: &str,
) -> Result<(&'a NodeDescription, &'a CommandDescription)> {
    let Some((node_name, command_name)) = split(name) else {
        return Err(without_node_type(schema, name));
    };
    let Some(node) = schema.node(node_name) else {
        return Err(unknown_node_type(schema, node_name));
    };
    let mut commands = node.commands.iter();
    match commands.find(|command| command.name == command_name) {
        Some(command) => Ok((node, command)),
        None => Err(unknown_command(node, command_name)),
    }
}

/// The node type and the command in a name.
fn split(name: &str) -> Option<(&str, &str)> {
    let (node, command) = name.split_once(['.', '/'])?;
    (!node.is_empty() && !command.is_empty()).then_some((node, command))
}

/// The full names of all commands that are called `name`, else of all commands.
fn without_node_type(schema: &SchemaDescription, name: &str) -> CliError {
    let mut all = Vec::new();
    let mut meant = Vec::new();
    for node in &schema.nodes {
        for command in &node.commands {
            let full = format!("{}.{}", node.name, command.name);
            if command.name == name {
                meant.push(full.clone());
            }
            all.push(full);
        }
    }
    let error = CliError::new(format!(
        "`{name}` is not the name of a command: give its node type as well, as in `Billing.charge`"
    ));
    if all.is_empty() {
        return error.hint("the schema has no commands");
    }
    if meant.is_empty() {
        let names = closest(name, all.iter().map(String::as_str));
        return error.hint(format!("there are {}", listed(&names)));
    }
    let meant: Vec<&str> = meant.iter().map(String::as_str).collect();
    error.hint(format!("did you mean {}?", listed(&meant)))
}

fn unknown_node_type(schema: &SchemaDescription, name: &str) -> CliError {
    let names = closest(name, schema.nodes.iter().map(|node| node.name.as_str()));
    CliError::new(format!("the schema has no node type `{name}`"))
        .hint(format!("there are {}", listed(&names)))
}

fn unknown_command(node: &NodeDescription, name: &str) -> CliError {
    let error = CliError::new(format!("`{}` has no command `{name}`", node.name));
    let commands = node.commands.iter();
    let names = closest(name, commands.map(|command| command.name.as_str()));
    let Some(meant) = meant(name, names.iter().copied()) else {
        return error.hint(if names.is_empty() {
            format!("`{}` has no commands", node.name)
        } else {
            format!("it has {}", listed(&names))
        });
    };
    let meant = plain(&format!("{}.{meant}", node.name));
    error.hint(format!(
        "did you mean {meant}? If not: it has {}",
        listed(&names)
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn command(name: &str) -> Value {
        json!({
            "name": name, "id": "0x00000001", "fingerprint": "0x0000000000000001",
            "wire_fingerprint": "0x0000000000000001", "delivery": "balanced", "args": []
        })
    }

    fn schema() -> SchemaDescription {
        let schema = json!({
            "mesh": "Shop", "fingerprint": "0x0000000000000001", "types": [],
            "nodes": [
                {"name": "Gateway", "links_to": ["Billing"], "commands": []},
                {"name": "Billing", "links_to": [], "commands": [command("charge"), command("refund")]},
            ]
        });
        SchemaDescription::from_json(&schema.to_string()).unwrap()
    }

    fn error(name: &str) -> String {
        find(&schema(), name).unwrap_err().to_string()
    }

    #[test]
    fn a_command_is_found_with_a_dot_or_a_slash() {
        let schema = schema();
        for name in ["Billing.charge", "Billing/charge"] {
            let (node, command) = find(&schema, name).unwrap();
            assert_eq!((&*node.name, &*command.name), ("Billing", "charge"));
        }
    }

    #[test]
    fn errors_say_what_may_have_been_meant() {
        assert!(error("charge").contains("did you mean Billing.charge?"));
        assert!(error("nothing").contains("there are Billing."));
        assert!(error("Biling.charge").contains("there are Billing, Gateway"));
        assert!(
            error("Billing.chrage")
                .contains("did you mean Billing.charge? If not: it has charge, refund")
        );
        assert!(error("Billing.xyz").contains("hint: it has "));
        assert!(error("Gateway.charge").contains("`Gateway` has no commands"));
        for odd in ["", ".", "Billing.", "/charge"] {
            assert!(error(odd).contains("is not the name of a command"));
        }
    }
}
