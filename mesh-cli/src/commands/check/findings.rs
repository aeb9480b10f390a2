//! What is wrong with a mesh, found in a snapshot of it. Pure: each kind of finding has its file and its tests.

mod clocks;
#[cfg(test)]
pub(super) mod example;
mod links;
mod nodes;
mod queues;
mod schemas;
mod types;

use std::time::Duration;

use serde::Serialize;

use super::snapshot::Snapshot;
use crate::closest::listed;

/// Something that is wrong, or may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// Which kind it is, for programs.
    pub(super) kind: &'static str,
    /// The node, the queue or the node type.
    #[serde(rename = "where")]
    pub(super) place: String,
    pub(super) what: String,
    /// What to do.
    #[serde(rename = "do")]
    pub(super) advice: String,
}

/// How bad it is. Errors come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// Something does not work.
    Error,
    /// Something may not work soon, or is not as it was meant.
    Warning,
}

/// From where on something is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How far apart clocks may be.
    pub(super) clock: Duration,
    /// How old the oldest waiting job may be.
    pub(super) queue_age: Duration,
}

impl Finding {
    fn error(kind: &'static str, place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Error, kind, place.into(), what.into())
    }

    fn warning(kind: &'static str, place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, kind, place.into(), what.into())
    }

    fn new(severity: Severity, kind: &'static str, place: String, what: String) -> Self {
        Self {
            severity,
            kind,
            place,
            what,
            advice: String::new(),
        }
    }

    /// With what to do about it.
    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

/// Everything that is wrong. Errors come first, and what belongs together stays together.
pub(super) fn find(snapshot: &Snapshot, limits: &Limits) -> Vec<Finding> {
    let mut findings = nodes::find(snapshot);
    if snapshot.types.is_empty() {
        return findings;
    }
    findings.extend(types::find(snapshot));
    findings.extend(links::find(snapshot));
    findings.extend(schemas::find(snapshot));
    findings.extend(clocks::find(snapshot, limits.clock));
    findings.extend(queues::find(snapshot, limits.queue_age));
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// Names as one text.
fn names<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    listed(&names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        clock: Duration::from_secs(2),
        queue_age: Duration::from_secs(300),
    };

    #[test]
    fn a_mesh_that_works_has_no_findings() {
        assert_eq!(find(&example::shop(), &LIMITS), []);
    }

    #[test]
    fn a_mesh_without_nodes_has_one_finding() {
        let mut snapshot = example::shop();
        snapshot.nodes.clear();
        snapshot.types.clear();
        let findings = find(&snapshot, &LIMITS);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].kind, "no_nodes");
        assert_eq!(findings[0].severity, Severity::Error);
    }

    #[test]
    fn errors_come_first() {
        let mut snapshot = example::shop();
        snapshot.nodes[0].draining = true;
        snapshot.nodes[1].answers = Err("refused".to_owned());
        let findings = find(&snapshot, &LIMITS);
        assert_eq!(findings[0].severity, Severity::Error);
        assert!(findings.is_sorted_by_key(|finding| finding.severity));
        assert!(findings.iter().all(|finding| !finding.advice.is_empty()));
    }

    #[test]
    fn a_finding_is_json_with_its_place_and_advice() {
        let finding = Finding::warning("paused", "Billing.export", "paused").advice("resume");
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["severity"], "warning");
        assert_eq!(json["where"], "Billing.export");
        assert_eq!(json["do"], "resume");
    }
}
