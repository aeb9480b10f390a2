//! Nodes that were built from different schemas, and the commands in which these differ.

use std::collections::BTreeMap;

use mesh_runtime::schema::{NodeDescription, SchemaDescription};

use super::{Finding, names};
use crate::commands::check::snapshot::{Declared, Snapshot};

/// What to do in both cases.
const ADVICE: &str = "nothing during an update: calls go to instances that declare a command the \
                      same; else bring all to the same version";

/// The members that have the same fingerprint.
type Groups = BTreeMap<u64, Vec<String>>;

pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = schemas(snapshot);
    findings.extend(types(snapshot));
    findings
}

/// Schemas that are declared otherwise.
fn schemas(snapshot: &Snapshot) -> Vec<Finding> {
    let own = snapshot.master.schema.fingerprint;
    let mut groups = Groups::from([(own, vec!["master".to_owned()])]);
    for (node, answers) in snapshot.answered() {
        let schema = answers.health.schema;
        // Older versions do not say it.
        if schema != 0 {
            groups.entry(schema).or_default().push(node.name());
        }
    }
    let described = |fingerprint: u64| {
        if fingerprint == own {
            return Some(&snapshot.master.schema);
        }
        let mut all = snapshot.described.iter();
        let found = all.find(|(declared, _)| declared.schema == fingerprint);
        found.map(|(_, described)| described)
    };
    let most = most(&groups, own);
    let others = groups.iter().filter(|(schema, _)| Some(**schema) != most);
    let finding = |(schema, members): (&u64, &Vec<String>)| {
        let most = most.unwrap_or(own);
        let differences = match (described(most), described(*schema)) {
            (Some(one), Some(other)) => told(&differences(one, other)),
            _ => "they could not be compared".to_owned(),
        };
        let what = format!(
            "{} has schema {schema:#018x} and not {most:#018x} as {}: {differences}",
            names(members),
            names(&groups[&most]),
        );
        Finding::warning("schemas_differ", "mesh", what).advice(ADVICE)
    };
    others.map(finding).collect()
}

/// Commands whose types have other contents, in schemas that are declared the same.
fn types(snapshot: &Snapshot) -> Vec<Finding> {
    let mut by_type: BTreeMap<(u64, &str), Groups> = BTreeMap::new();
    for (node, answers) in snapshot.answered() {
        let health = &answers.health;
        if health.schema != 0 && health.commands != 0 {
            let of = (health.schema, node.node_type.as_str());
            let groups = by_type.entry(of).or_default();
            groups.entry(health.commands).or_default().push(node.name());
        }
    }
    let mut findings = Vec::new();
    for ((schema, node_type), groups) in &by_type {
        let described = |commands: u64| {
            let declared = Declared {
                schema: *schema,
                node_type: (*node_type).to_owned(),
                commands,
            };
            snapshot.described.get(&declared)?.node(node_type)
        };
        let Some(most) = most(groups, 0) else {
            continue;
        };
        for (commands, members) in groups.iter().filter(|(commands, _)| **commands != most) {
            let differences = match (described(most), described(*commands)) {
                (Some(one), Some(other)) => told(&of_type(one, other)),
                _ => "they could not be compared".to_owned(),
            };
            let what = format!(
                "{} has commands with other types than {}: {differences}",
                names(members),
                names(&groups[&most]),
            );
            findings.push(Finding::warning("types_differ", *node_type, what).advice(ADVICE));
        }
    }
    findings
}

/// The fingerprint that most members have. If there are several such, `preferred` if it is one of them.
fn most(groups: &Groups, preferred: u64) -> Option<u64> {
    let most = groups
        .iter()
        .max_by_key(|(fingerprint, members)| (members.len(), **fingerprint == preferred));
    most.map(|(fingerprint, _)| *fingerprint)
}

fn told(differences: &[String]) -> String {
    if differences.is_empty() {
        return "the commands are the same, and their order or the links are not".to_owned();
    }
    differences.join("; ")
}

/// How `other` differs from `one`: a text for each node type.
fn differences(one: &SchemaDescription, other: &SchemaDescription) -> Vec<String> {
    let mut differences = Vec::new();
    for node in &one.nodes {
        match other.node(&node.name) {
            Some(its) => differences.extend(of_type(node, its)),
            None => differences.push(format!("{}: removed", node.name)),
        }
    }
    for node in &other.nodes {
        if one.node(&node.name).is_none() {
            differences.push(format!("{}: added", node.name));
        }
    }
    differences
}

/// The commands of a node type that changed, were added and were removed; empty if none.
fn of_type(one: &NodeDescription, other: &NodeDescription) -> Vec<String> {
    let its = fingerprints(one);
    let others = fingerprints(other);
    let mut changed = Vec::new();
    let mut added = Vec::new();
    for (name, fingerprint) in &others {
        match its.get(name) {
            Some(known) if known == fingerprint => {}
            Some(_) => changed.push(*name),
            None => added.push(*name),
        }
    }
    let removed = its.keys().filter(|name| !others.contains_key(*name));
    let removed: Vec<&str> = removed.copied().collect();
    let parts = [("changed", changed), ("added", added), ("removed", removed)];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(_, commands)| !commands.is_empty())
        .map(|(how, commands)| format!("{how} {}", names(commands)))
        .collect();
    if parts.is_empty() {
        return Vec::new();
    }
    vec![format!("{}: {}", one.name, parts.join(", "))]
}

/// What callers depend on, of each command.
fn fingerprints(node: &NodeDescription) -> BTreeMap<&str, u64> {
    let commands = node.commands.iter();
    commands
        .map(|command| (command.name.as_str(), command.wire_fingerprint))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Severity, example},
        *,
    };

    /// The shop after `instance` was built from another schema.
    fn with_other(instance: &str, other: SchemaDescription) -> Snapshot {
        let mut snapshot = example::shop();
        example::answers(&mut snapshot, instance).health.schema = other.fingerprint;
        let mut nodes = snapshot.nodes.iter();
        let node = nodes.find(|node| node.instance == instance).unwrap();
        let declared = node.answers.as_ref().unwrap().declared(node);
        snapshot.described.insert(declared, other);
        snapshot
    }

    #[test]
    fn commands_that_differ_are_told_by_name() {
        let mut other = example::schema(2, 99);
        let mut refund = other.nodes[1].commands[0].clone();
        refund.name = "refund".to_owned();
        other.nodes[1].commands[1] = refund;
        let findings = find(&with_other("b2", other));
        assert_eq!(findings.len(), 1);
        let finding = &findings[0];
        assert_eq!(
            (finding.kind, finding.severity),
            ("schemas_differ", Severity::Warning)
        );
        assert!(
            finding
                .what
                .starts_with("Billing/b2 has schema 0x0000000000000002")
        );
        assert!(finding.what.contains("as master, Billing/b1, Gateway/g1"));
        let differences = "Billing: changed charge, added refund, removed export";
        assert!(finding.what.ends_with(differences), "{}", finding.what);
    }

    #[test]
    fn node_types_are_added_and_removed() {
        let one = example::schema(1, 1);
        let mut other = example::schema(2, 1);
        other.nodes[0].name = "Edge".to_owned();
        assert_eq!(
            differences(&one, &other),
            ["Gateway: removed", "Edge: added"]
        );
        assert!(told(&differences(&one, &one)).contains("are the same"));
    }

    #[test]
    fn a_schema_that_nobody_describes_is_told_all_the_same() {
        let mut snapshot = example::shop();
        example::answers(&mut snapshot, "g1").health.schema = 2;
        let findings = find(&snapshot);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].what.contains("could not be compared"));
        // One that does not say its schema is no other schema.
        example::answers(&mut snapshot, "g1").health.schema = 0;
        assert_eq!(find(&snapshot), []);
    }

    #[test]
    fn types_that_differ_in_the_same_schema_are_told() {
        let mut snapshot = example::shop();
        example::answers(&mut snapshot, "b2").health.commands = 8;
        let declared = |commands| Declared {
            schema: 1,
            node_type: "Billing".to_owned(),
            commands,
        };
        snapshot
            .described
            .insert(declared(7), example::schema(1, 1));
        snapshot
            .described
            .insert(declared(8), example::schema(1, 99));
        let findings = find(&snapshot);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].kind, &*findings[0].place),
            ("types_differ", "Billing")
        );
        let what = &findings[0].what;
        assert!(what.ends_with("Billing: changed charge"), "{what}");
        assert!(
            what.contains("Billing/b1") && what.contains("Billing/b2"),
            "{what}"
        );
    }
}
