//! The queued command whose jobs are meant.

use std::fmt;

use mesh_runtime::schema::{Delivery, NodeDescription, SchemaDescription};

use crate::{
    closest::listed,
    command_name,
    error::{CliError, Result},
    output::plain,
};

/// A queued command. Displayed as `Billing.export`, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) node_type: String,
    pub(super) command: String,
    /// Whether each instance has its own queue by the schema. In a durable engine the dead letters are then still those
    /// of all instances.
    pub(super) broadcast: bool,
}

impl Target {
    /// The command that is called so in the schema.
    pub(super) fn find(schema: &SchemaDescription, name: &str) -> Result<Self> {
        let (node, command) = command_name::find(schema, name)?;
        if !command.delivery.is_some_and(Delivery::is_queued) {
            return Err(not_queued(node, &command.name));
        }
        Ok(Self {
            node_type: node.name.clone(),
            command: command.name.clone(),
            broadcast: command.delivery == Some(Delivery::QueuedBroadcast),
        })
    }

    /// All queued commands of a schema.
    pub(super) fn all(schema: &SchemaDescription) -> Vec<Self> {
        let mut all = Vec::new();
        for node in &schema.nodes {
            for command in &node.commands {
                if command.delivery.is_some_and(Delivery::is_queued) {
                    all.push(Self {
                        node_type: node.name.clone(),
                        command: command.name.clone(),
                        broadcast: command.delivery == Some(Delivery::QueuedBroadcast),
                    });
                }
            }
        }
        all
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&format!("{}.{}", self.node_type, self.command)))
    }
}

fn not_queued(node: &NodeDescription, command: &str) -> CliError {
    let queued: Vec<&str> = node
        .commands
        .iter()
        .filter(|command| command.delivery.is_some_and(Delivery::is_queued))
        .map(|command| command.name.as_str())
        .collect();
    let error = CliError::new(format!(
        "`{}.{command}` is not a queued command, so it has no jobs",
        node.name
    ));
    if queued.is_empty() {
        return error.hint("`mesh jobs` lists the queues of the mesh");
    }
    error.hint(format!("queued are {}", listed(&queued)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn command(name: &str, delivery: &str) -> Value {
        json!({
            "name": name, "id": "0x00000101", "fingerprint": "0x0000000000000001",
            "wire_fingerprint": "0x0000000000000001", "delivery": delivery, "args": []
        })
    }

    /// A schema with queued commands of both kinds.
    fn schema() -> SchemaDescription {
        let schema = json!({
            "mesh": "Shop", "fingerprint": "0x0000000000000001", "types": [],
            "nodes": [
                {"name": "Gateway", "links_to": ["Billing"], "commands": [
                    command("ping", "balanced"),
                ]},
                {"name": "Billing", "links_to": [], "commands": [
                    command("charge", "balanced"),
                    command("export", "queued_balanced"),
                    command("reload", "queued_broadcast"),
                ]},
            ]
        });
        SchemaDescription::from_json(&schema.to_string()).unwrap()
    }

    #[test]
    fn queued_commands_are_found() {
        let export = Target::find(&schema(), "Billing.export").unwrap();
        assert_eq!(export.to_string(), "Billing.export");
        assert!(!export.broadcast);
        assert!(Target::find(&schema(), "Billing/reload").unwrap().broadcast);
        let all = Target::all(&schema());
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(all, ["Billing.export", "Billing.reload"]);
    }

    #[test]
    fn other_commands_have_no_jobs() {
        let error = Target::find(&schema(), "Billing.charge").unwrap_err();
        assert!(error.to_string().contains("queued are export, reload"));
        assert!(Target::find(&schema(), "Gateway.ping").is_err());
        assert!(Target::find(&schema(), "Billing.nothing").is_err());
    }
}
