//! The queued command whose jobs are meant.

use std::fmt;

use mesh_runtime::schema::{CommandDescription, Delivery, NodeDescription, SchemaDescription};

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
        Self::of(node, command).ok_or_else(|| not_queued(node, &command.name))
    }

    /// All queued commands of a schema.
    pub(super) fn all(schema: &SchemaDescription) -> Vec<Self> {
        schema.nodes.iter().flat_map(queued).collect()
    }

    /// `None` if the command is not queued.
    fn of(node: &NodeDescription, command: &CommandDescription) -> Option<Self> {
        let delivery = command.delivery.filter(|delivery| delivery.is_queued())?;
        Some(Self {
            node_type: node.name.clone(),
            command: command.name.clone(),
            broadcast: delivery == Delivery::QueuedBroadcast,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&format!("{}.{}", self.node_type, self.command)))
    }
}

/// The queued commands of a node type.
fn queued(node: &NodeDescription) -> Vec<Target> {
    let commands = node.commands.iter();
    commands
        .filter_map(|command| Target::of(node, command))
        .collect()
}

fn not_queued(node: &NodeDescription, command: &str) -> CliError {
    let queued = queued(node);
    let queued: Vec<&str> = queued
        .iter()
        .map(|target| target.command.as_str())
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
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn command(name: &str, delivery: &str) -> Value {
        json!({
            "name": name, "id": "0x00000101", "fingerprint": "0x0000000000000001",
            "wire_fingerprint": "0x0000000000000001", "delivery": delivery, "args": []
        })
    }

    /// A schema with queued commands of both kinds.
    pub(in super::super) fn schema() -> SchemaDescription {
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
