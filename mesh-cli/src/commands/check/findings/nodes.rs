//! Nodes that do not answer, are not registered, or shut down, and runtimes of several versions.

use std::collections::BTreeMap;

use mesh_runtime::operator::{Health, HealthStatus};

use super::{Finding, names};
use crate::commands::check::snapshot::{NodeSeen, Snapshot};

pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = Vec::new();
    if snapshot.master.health.status == HealthStatus::Draining {
        let what = "the master shuts down";
        let advice = "start it again: without a master, no new links are made";
        findings.push(Finding::warning("draining", "master", what).advice(advice));
    }
    if snapshot.types.is_empty() {
        let what = "no node is registered at the master";
        let advice = "start the nodes, with the keys of this mesh and the address of this master";
        findings.push(Finding::error("no_nodes", "mesh", what).advice(advice));
    }
    for node in &snapshot.nodes {
        match &node.answers {
            Ok(answers) => findings.extend(of_health(node, &answers.health)),
            Err(why) => findings.push(unreachable(node, why)),
        }
    }
    findings.extend(runtimes(snapshot));
    findings
}

fn unreachable(node: &NodeSeen, why: &str) -> Finding {
    let what = format!("does not answer: {why}");
    Finding::error("unreachable", node.name(), what).advice(
        "does its process run, and can its port be reached from here? If it is only far away, \
         try a longer --node-timeout",
    )
}

fn of_health(node: &NodeSeen, health: &Health) -> Option<Finding> {
    let warning = |kind, what: &str| Finding::warning(kind, node.name(), what);
    if health.status == HealthStatus::Replaced {
        let what = "a newer node with the same instance id has taken its place";
        let advice = "give each process an instance id of its own, or end the older one";
        return Some(warning("replaced", what).advice(advice));
    }
    if health.status == HealthStatus::Draining || node.draining {
        let what = "shuts down: it takes no new calls";
        let advice = "nothing, if that is meant; else start it again once it has ended";
        return Some(warning("draining", what).advice(advice));
    }
    if health.registered == Some(false) {
        let what = "is not registered at its master: it learns of no new nodes";
        let advice = "can it reach the master? `mesh events` shows why it lost it";
        return Some(warning("unregistered", what).advice(advice));
    }
    None
}

/// Several versions of the runtime.
fn runtimes(snapshot: &Snapshot) -> Option<Finding> {
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let master = ("master".to_owned(), &snapshot.master.health);
    let nodes = snapshot.answered();
    let nodes = nodes.map(|(node, answers)| (node.name(), &answers.health));
    for (name, health) in std::iter::once(master).chain(nodes) {
        // Older versions do not say which they are.
        if !health.runtime.is_empty() {
            versions.entry(&health.runtime).or_default().push(name);
        }
    }
    if versions.len() < 2 {
        return None;
    }
    let versions: Vec<String> = versions
        .iter()
        .map(|(version, members)| format!("{version} on {}", names(members)))
        .collect();
    let what = format!("several versions of the runtime: {}", versions.join("; "));
    let advice = "nothing during an update; else bring all to the same version";
    Some(Finding::warning("runtimes_differ", "mesh", what).advice(advice))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Severity, example},
        *,
    };

    fn one(snapshot: &Snapshot) -> Finding {
        let mut findings = find(snapshot);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    }

    #[test]
    fn a_node_that_does_not_answer_is_an_error() {
        let mut snapshot = example::shop();
        snapshot.nodes[1].answers = Err("connection refused".to_owned());
        let finding = one(&snapshot);
        assert_eq!(
            (finding.kind, finding.severity),
            ("unreachable", Severity::Error)
        );
        assert_eq!(finding.place, "Billing/b2");
        assert!(finding.what.contains("connection refused"));
    }

    #[test]
    fn a_node_that_shuts_down_is_a_warning() {
        let mut snapshot = example::shop();
        example::answers(&mut snapshot, "b1").health.status = HealthStatus::Draining;
        let finding = one(&snapshot);
        assert_eq!(
            (finding.kind, finding.severity),
            ("draining", Severity::Warning)
        );
        let mut snapshot = example::shop();
        snapshot.nodes[0].draining = true;
        assert_eq!(one(&snapshot).kind, "draining");
        let mut snapshot = example::shop();
        snapshot.master.health.status = HealthStatus::Draining;
        assert_eq!(one(&snapshot).place, "master");
    }

    #[test]
    fn a_node_without_its_master_is_a_warning() {
        let mut snapshot = example::shop();
        example::answers(&mut snapshot, "b1").health.registered = Some(false);
        let finding = one(&snapshot);
        assert_eq!(
            (finding.kind, finding.severity),
            ("unregistered", Severity::Warning)
        );
    }

    #[test]
    fn a_node_that_was_replaced_is_a_warning() {
        let mut snapshot = example::shop();
        example::answers(&mut snapshot, "b1").health.status = HealthStatus::Replaced;
        assert_eq!(one(&snapshot).kind, "replaced");
    }

    #[test]
    fn several_versions_of_the_runtime_are_a_warning() {
        let mut snapshot = example::shop();
        example::answers(&mut snapshot, "b1").health.runtime = "0.2.0".to_owned();
        let finding = one(&snapshot);
        assert_eq!(finding.kind, "runtimes_differ");
        assert!(
            finding.what.contains("0.2.0 on Billing/b1"),
            "{}",
            finding.what
        );
        // One that does not say its version is no other version.
        example::answers(&mut snapshot, "b1").health.runtime.clear();
        assert_eq!(find(&snapshot), []);
    }
}
