//! Links that are missing, and instances that rest or are silent for those who call them.

use std::collections::{BTreeMap, HashSet};

use mesh_runtime::operator::HealthStatus;

use super::{Finding, names};
use crate::{
    commands::check::snapshot::{NodeSeen, Snapshot},
    fleet::full_name,
    output::span_ms,
};

pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = missing(snapshot);
    findings.extend(resting(snapshot));
    findings.extend(silent(snapshot));
    findings
}

/// Links of the schema that neither end reports. Nodes that just came, shut down or do not answer have no part in it.
fn missing(snapshot: &Snapshot) -> Vec<Finding> {
    let linked = linked(snapshot);
    let settled: Vec<&NodeSeen> = snapshot
        .nodes
        .iter()
        .filter(|node| is_settled(node))
        .collect();
    let mut by_type: BTreeMap<&str, Vec<&NodeSeen>> = BTreeMap::new();
    for node in &settled {
        by_type.entry(&node.node_type).or_default().push(node);
    }
    let mut told = HashSet::new();
    let mut findings = Vec::new();
    for node in &settled {
        let name = node.name();
        let links_to = snapshot.declaration(node).map(|own| &own.links_to);
        for node_type in links_to.into_iter().flatten() {
            let mut unlinked = Vec::new();
            for other in by_type.get(node_type.as_str()).into_iter().flatten() {
                let other = other.name();
                let pair = pair(&name, &other);
                // Two types may each dial the other. One link is enough for both.
                if other != name && !linked.contains(&pair) && told.insert(pair) {
                    unlinked.push(other);
                }
            }
            if !unlinked.is_empty() {
                findings.push(without_link(&name, &unlinked));
            }
        }
    }
    findings
}

fn without_link(name: &str, unlinked: &[String]) -> Finding {
    let what = format!("has no link with {}", names(unlinked));
    Finding::error("link_missing", name, what).advice(format!(
        "can {name} reach the address that `mesh nodes` shows? `mesh events` tells of refused links"
    ))
}

fn is_settled(node: &NodeSeen) -> bool {
    let answers = node.answers.as_ref();
    let works = answers.is_ok_and(|answers| answers.health.status == HealthStatus::Ok);
    works && !node.new && !node.draining
}

/// All links that any node reports, each as the names of its ends in their order.
fn linked(snapshot: &Snapshot) -> HashSet<(String, String)> {
    let mut linked = HashSet::new();
    for (node, answers) in snapshot.answered() {
        let name = node.name();
        for link in &answers.links {
            linked.insert(pair(&name, &full_name(&link.peer)));
        }
    }
    linked
}

fn pair(one: &str, other: &str) -> (String, String) {
    let (first, second) = if one <= other {
        (one, other)
    } else {
        (other, one)
    };
    (first.to_owned(), second.to_owned())
}

/// Instances that get no balanced calls of some callers because calls to them failed.
fn resting(snapshot: &Snapshot) -> Vec<Finding> {
    let mut callers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (node, answers) in snapshot.answered() {
        for link in &answers.links {
            if let Some(rests_ms) = link.rests_ms {
                let caller = format!("{} ({})", node.name(), for_how_long(rests_ms));
                callers
                    .entry(full_name(&link.peer))
                    .or_default()
                    .push(caller);
            }
        }
    }
    let finding = |(instance, callers): (String, Vec<String>)| {
        let what = format!("rests, because calls to it failed, for {}", names(&callers));
        Finding::warning("rests", instance, what)
            .advice("look into its log, and for its errors and durations with `mesh top`")
    };
    callers.into_iter().map(finding).collect()
}

fn for_how_long(rests_ms: u64) -> String {
    match rests_ms {
        0 => "the next call decides".to_owned(),
        ms => format!("{} more", span_ms(ms)),
    }
}

/// Instances of which some callers hear nothing.
fn silent(snapshot: &Snapshot) -> Vec<Finding> {
    let mut callers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (node, answers) in snapshot.answered() {
        for link in answers.links.iter().filter(|link| link.silent) {
            let peer = full_name(&link.peer);
            callers.entry(peer).or_default().push(node.name());
        }
    }
    let finding = |(instance, callers): (String, Vec<String>)| {
        let callers = names(&callers);
        let what = format!("is silent although calls are under way, for {callers}");
        Finding::warning("silent", instance, what)
            .advice("is its process frozen or overloaded, or the network between them cut?")
    };
    callers.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Severity, example},
        *,
    };

    fn without_links_of(instances: &[&str]) -> Snapshot {
        let mut snapshot = example::shop();
        for instance in instances {
            example::answers(&mut snapshot, instance).links.clear();
        }
        snapshot
    }

    #[test]
    fn a_link_that_neither_end_reports_is_missing() {
        let findings = find(&without_links_of(&["g1", "b1", "b2"]));
        assert_eq!(findings.len(), 1);
        let finding = &findings[0];
        assert_eq!(
            (finding.kind, finding.severity),
            ("link_missing", Severity::Error)
        );
        assert_eq!(finding.place, "Gateway/g1");
        assert_eq!(finding.what, "has no link with Billing/b1, Billing/b2");
    }

    #[test]
    fn a_link_that_one_end_reports_is_there() {
        assert_eq!(find(&without_links_of(&["g1"])), []);
        assert_eq!(find(&without_links_of(&["b1", "b2"])), []);
    }

    #[test]
    fn nodes_that_come_or_go_need_no_links_yet() {
        let all = ["g1", "b1", "b2"];
        let mut snapshot = without_links_of(&all);
        snapshot.nodes[2].new = true;
        assert_eq!(find(&snapshot), []);
        let mut snapshot = without_links_of(&all);
        snapshot.nodes[2].draining = true;
        assert_eq!(find(&snapshot), []);
        let mut snapshot = without_links_of(&all);
        snapshot.nodes[2].answers = Err("away".to_owned());
        assert_eq!(find(&snapshot), []);
    }

    #[test]
    fn a_pair_that_dials_both_ways_is_told_once() {
        let mut snapshot = without_links_of(&["g1", "b1", "b2"]);
        let billing = &mut snapshot.master.schema.nodes[1];
        billing.links_to.push("Gateway".to_owned());
        let findings = find(&snapshot);
        let pairs: Vec<_> = findings.iter().map(|finding| &finding.place).collect();
        assert_eq!(pairs, ["Billing/b1", "Billing/b2"]);
    }

    #[test]
    fn links_go_by_the_own_schema_of_a_node() {
        let mut snapshot = without_links_of(&["g1", "b1", "b2"]);
        let answers = example::answers(&mut snapshot, "g1");
        answers.health.schema = 2;
        let declared = snapshot.nodes[2].answers.as_ref().unwrap();
        let declared = declared.declared(&snapshot.nodes[2]);
        let mut other = example::schema(2, 1);
        other.nodes[0].links_to.clear();
        snapshot.described.insert(declared, other);
        assert_eq!(find(&snapshot), []);
    }

    #[test]
    fn who_rests_and_who_is_silent_is_told_with_the_callers() {
        let mut snapshot = example::shop();
        let links = &mut example::answers(&mut snapshot, "g1").links;
        links[0].rests_ms = Some(12_000);
        links[1].silent = true;
        let findings = find(&snapshot);
        assert_eq!(findings.len(), 2);
        assert_eq!(
            (findings[0].kind, &*findings[0].place),
            ("rests", "Billing/b1")
        );
        assert!(findings[0].what.ends_with("for Gateway/g1 (12 s more)"));
        assert_eq!(
            (findings[1].kind, &*findings[1].place),
            ("silent", "Billing/b2")
        );
        assert_eq!(findings[1].severity, Severity::Warning);
    }
}
