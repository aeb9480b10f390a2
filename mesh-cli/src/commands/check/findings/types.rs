//! Node types of the schema without an instance.

use super::{Finding, names};
use crate::commands::check::snapshot::Snapshot;

/// It is an error only if a node that is there connects to the type: nobody misses it otherwise.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let has_instance = |node_type: &str| snapshot.types.contains(node_type);
    let mut findings = Vec::new();
    for missing in &snapshot.master.schema.nodes {
        let name = &missing.name;
        if has_instance(name) {
            continue;
        }
        let types = snapshot.master.schema.nodes.iter();
        let callers: Vec<&str> = types
            .filter(|other| other.links_to.contains(name) && has_instance(&other.name))
            .map(|other| other.name.as_str())
            .collect();
        let finding = if callers.is_empty() {
            let what = "has no instance in the mesh";
            Finding::warning("no_instance", name, what)
        } else {
            let callers = names(&callers);
            let what = format!("has no instance in the mesh, and {callers} connects to it");
            Finding::error("no_instance", name, what)
        };
        findings.push(finding.advice(format!("start an instance of {name}")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Severity, example},
        *,
    };

    fn without(node_type: &str) -> Vec<Finding> {
        let mut snapshot = example::shop();
        snapshot.types.remove(node_type);
        find(&snapshot)
    }

    #[test]
    fn a_type_that_others_connect_to_must_have_an_instance() {
        let findings = without("Billing");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Error);
        assert_eq!(findings[0].place, "Billing");
        assert!(findings[0].what.contains("Gateway connects to it"));
    }

    #[test]
    fn another_type_without_an_instance_is_a_warning() {
        let findings = without("Gateway");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Warning);
        assert_eq!(find(&example::shop()), []);
    }

    #[test]
    fn an_instance_that_has_just_come_is_there() {
        let mut snapshot = example::shop();
        snapshot.nodes.retain(|node| node.node_type != "Billing");
        assert_eq!(find(&snapshot), []);
    }
}
