//! `mesh nodes`: the nodes, and how they are.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use clap::Args;
use mesh_runtime::operator::{
    Health, HealthStatus, LinkState, Links, Operator, OperatorError, Stats,
};
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    closest::{closest, listed},
    context::Context,
    error::{CliError, Result, chain},
    fleet::{Fleet, full_name},
    output,
};

/// How many digits of a fingerprint are shown.
const FINGERPRINT_DIGITS: usize = 8;

/// Stands for what is not known.
const UNKNOWN: &str = "-";

/// Lists the nodes, and how they are.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  mesh nodes              the master and all nodes
  mesh nodes Billing      the nodes of one type
  mesh nodes --json       for programs

Columns:
  schema   the first digits of the fingerprint of its schema; * if it is not the master's
  load     calls that it makes, and handlers that run
  state    `rests for N callers`: so many nodes pass it over, because calls to it failed")]
pub(crate) struct NodesArgs {
    /// List the nodes of this type only
    #[arg(value_name = "TYPE", add = crate::completers::node_types())]
    node_type: Option<String>,
}

pub(crate) async fn run(args: NodesArgs, context: &Context) -> Result<()> {
    let fleet = context.fleet().await?;
    let nodes = fleet.nodes().await?;
    if let Some(node_type) = &args.node_type {
        must_be_there(&nodes, node_type)?;
    }
    let limit = fleet.settings().node_timeout;
    // Also of the types that are not shown: they are the callers of those that are.
    let (master, answers) = tokio::join!(
        look(fleet.master.clone(), fleet.settings().timeout),
        fleet.each(nodes, |node| look(node, limit)),
    );
    let rows = rows(&fleet, &master?, &answers, args.node_type.as_deref());
    if context.json {
        return output::json(&rows);
    }
    let header = [
        "type", "instance", "address", "version", "schema", "uptime", "links", "load", "state",
    ];
    let cells = rows.iter().map(Row::cells).collect();
    output::print(&output::table(&header, cells, &[6, 7]))
}

fn must_be_there(nodes: &[LinkState], node_type: &str) -> Result<()> {
    if nodes.iter().any(|node| node.peer.node_type == node_type) {
        return Ok(());
    }
    let mut types: Vec<&str> = nodes
        .iter()
        .map(|node| node.peer.node_type.as_str())
        .collect();
    types.dedup();
    let error = CliError::new(format!(
        "the master lists no node of the type `{node_type}`"
    ));
    if types.is_empty() {
        return Err(error.hint("it lists none at all"));
    }
    let types = listed(&closest(node_type, types));
    Err(error.hint(format!("there are nodes of the types {types}")))
}

/// What a node or the master says.
struct Seen {
    health: Health,
    stats: Option<Stats>,
    links: Vec<LinkState>,
}

/// Asks for everything at once. Only the health must be there in time.
async fn look(operator: Operator, limit: Duration) -> std::result::Result<Seen, OperatorError> {
    let (health, stats, links) = tokio::join!(
        timeout(limit, operator.health()),
        timeout(limit, operator.stats()),
        timeout(limit, operator.links()),
    );
    let late = |_| OperatorError::DeadlineExceeded {
        command: "health".to_owned(),
        after: limit,
    };
    let links: Option<Links> = links.ok().and_then(std::result::Result::ok);
    Ok(Seen {
        health: health.map_err(late)??,
        stats: stats.ok().and_then(std::result::Result::ok),
        links: links.map(|links| links.links).unwrap_or_default(),
    })
}

type Answer = (LinkState, std::result::Result<Seen, OperatorError>);

/// A row for the master, unless only one type is wanted, and one for each node.
fn rows(fleet: &Fleet, master: &Seen, answers: &[Answer], wanted: Option<&str>) -> Vec<Row> {
    let mut rows = Vec::new();
    if wanted.is_none() {
        let instance = fleet.master.peer().instance.to_string();
        rows.push(master_row(
            instance,
            fleet.settings().master.clone(),
            master,
        ));
    }
    let passed_over = passed_over(answers);
    for (node, seen) in answers {
        if wanted.is_none_or(|wanted| node.peer.node_type == wanted) {
            let rests = passed_over.get(&full_name(&node.peer));
            let rests = rests.copied().unwrap_or_default();
            rows.push(node_row(node, seen.as_ref(), rests, &master.health));
        }
    }
    rows
}

/// One line of the output.
#[derive(Serialize)]
struct Row {
    role: &'static str,
    #[serde(rename = "type")]
    node_type: String,
    instance: String,
    addr: String,
    /// The version of mesh-runtime.
    version: Option<String>,
    /// The fingerprint of its schema.
    schema: Option<String>,
    /// Whether it is the schema of the master.
    same_schema: Option<bool>,
    uptime_ms: u64,
    links: Option<usize>,
    load: Option<usize>,
    reachable: bool,
    state: String,
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let number = |number: Option<usize>| {
            number.map_or(UNKNOWN.to_owned(), |number| output::count(number as u64))
        };
        let mark = match self.same_schema {
            Some(false) => "*",
            _ => "",
        };
        let schema = self.schema.as_ref().map_or(UNKNOWN.to_owned(), |schema| {
            let digits = schema.trim_start_matches("0x").chars();
            let digits: String = digits.take(FINGERPRINT_DIGITS).collect();
            format!("{digits}{mark}")
        });
        vec![
            match self.role {
                "master" => "(master)".to_owned(),
                _ => self.node_type.clone(),
            },
            self.instance.clone(),
            self.addr.clone(),
            self.version.clone().unwrap_or(UNKNOWN.to_owned()),
            schema,
            output::span_ms(self.uptime_ms),
            number(self.links),
            number(self.load),
            self.state.clone(),
        ]
    }
}

fn master_row(instance: String, addr: String, seen: &Seen) -> Row {
    let health = &seen.health;
    Row {
        role: "master",
        node_type: String::new(),
        instance,
        addr,
        version: version(health),
        schema: fingerprint(health),
        same_schema: fingerprint(health).map(|_| true),
        uptime_ms: health.now_ms.saturating_sub(health.started_ms),
        links: seen.stats.as_ref().map(|stats| stats.links),
        load: None,
        reachable: true,
        state: match health.status {
            HealthStatus::Ok => "ok".to_owned(),
            _ => "draining".to_owned(),
        },
    }
}

fn node_row(
    node: &LinkState,
    seen: std::result::Result<&Seen, &OperatorError>,
    rests: Rests,
    master: &Health,
) -> Row {
    let health = seen.ok().map(|seen| &seen.health);
    let stats = seen.ok().and_then(|seen| seen.stats.as_ref());
    Row {
        role: "node",
        node_type: node.peer.node_type.clone(),
        instance: node.peer.instance.clone(),
        addr: node.addr.clone(),
        version: health.and_then(version),
        schema: health.and_then(fingerprint),
        same_schema: health
            .filter(|health| health.schema != 0 && master.schema != 0)
            .map(|health| health.schema == master.schema),
        uptime_ms: uptime_ms(node, health),
        links: stats.map(|stats| stats.links),
        load: stats.map(|stats| stats.calls.saturating_add(stats.handlers)),
        reachable: seen.is_ok(),
        state: state(node, seen, rests),
    }
}

fn version(health: &Health) -> Option<String> {
    (!health.runtime.is_empty()).then(|| health.runtime.clone())
}

fn fingerprint(health: &Health) -> Option<String> {
    (health.schema != 0).then(|| format!("{:#018x}", health.schema))
}

/// By the clock of the node if it tells the time, else by that of this machine.
fn uptime_ms(node: &LinkState, health: Option<&Health>) -> u64 {
    match health.filter(|health| health.now_ms != 0) {
        Some(health) => health.now_ms.saturating_sub(health.started_ms),
        None => output::now_ms().saturating_sub(node.started_ms),
    }
}

fn state(
    node: &LinkState,
    seen: std::result::Result<&Seen, &OperatorError>,
    rests: Rests,
) -> String {
    let seen = match seen {
        Ok(seen) => seen,
        Err(OperatorError::Unreachable { why, .. }) => return format!("unreachable: {why}"),
        Err(error) => return format!("unreachable: {}", chain(error)),
    };
    let mut states = Vec::new();
    match seen.health.status {
        HealthStatus::Draining => states.push("draining".to_owned()),
        HealthStatus::Replaced => states.push("replaced".to_owned()),
        _ if node.draining => states.push("draining".to_owned()),
        _ => {}
    }
    if seen.health.registered == Some(false) {
        states.push("not registered".to_owned());
    }
    for (what, callers) in [("rests", rests.resting), ("silent", rests.silent)] {
        match callers {
            0 => {}
            1 => states.push(format!("{what} for 1 caller")),
            callers => states.push(format!("{what} for {callers} callers")),
        }
    }
    if states.is_empty() {
        return "ok".to_owned();
    }
    states.join(", ")
}

/// How many other nodes pass a node over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rests {
    /// Because calls to it failed.
    resting: usize,
    /// Because nothing is heard of it.
    silent: usize,
}

/// The nodes that others pass over, by their full names.
fn passed_over(answers: &[Answer]) -> HashMap<String, Rests> {
    let mut passed_over: HashMap<String, Rests> = HashMap::new();
    for seen in answers.iter().filter_map(|(_, seen)| seen.as_ref().ok()) {
        for name in ends(&seen.links, |link| link.rests_ms.is_some()) {
            passed_over.entry(name).or_default().resting += 1;
        }
        for name in ends(&seen.links, |link| link.silent) {
            passed_over.entry(name).or_default().silent += 1;
        }
    }
    passed_over
}

/// The other ends of the links that are meant, each once.
fn ends(links: &[LinkState], is_meant: impl Fn(&LinkState) -> bool) -> HashSet<String> {
    let meant = links.iter().filter(|link| is_meant(link));
    meant.map(|link| full_name(&link.peer)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fleet::tests::node;

    fn health(changes: Value) -> Health {
        let mut health = json!({
            "status": "ok", "registered": true, "unlinked": [],
            "runtime": "0.1.0", "schema": "0x000000000000abcd", "started_ms": 1_000, "now_ms": 61_000
        });
        let changes = changes.as_object().unwrap().clone();
        health.as_object_mut().unwrap().extend(changes);
        serde_json::from_value(health).unwrap()
    }

    fn seen(changes: Value, links: Value) -> Seen {
        Seen {
            health: health(changes),
            stats: Some(
                serde_json::from_value(json!({"links": 3, "calls": 2, "handlers": 5})).unwrap(),
            ),
            links: serde_json::from_value(links).unwrap(),
        }
    }

    fn row(seen: &Seen, rests: Rests) -> Row {
        node_row(&node("Billing", "b1"), Ok(seen), rests, &health(json!({})))
    }

    #[test]
    fn a_node_that_works_is_ok() {
        let row = row(&seen(json!({}), json!([])), Rests::default());
        assert_eq!(
            row.cells(),
            [
                "Billing",
                "b1",
                "127.0.0.1:1",
                "0.1.0",
                "00000000",
                "1m",
                "3",
                "7",
                "ok"
            ]
        );
        assert_eq!(row.same_schema, Some(true));
    }

    #[test]
    fn what_is_wrong_with_a_node_is_its_state() {
        let rests = Rests {
            resting: 1,
            silent: 2,
        };
        let seen = seen(
            json!({"status": "draining", "registered": false, "schema": "0xff00000000000001"}),
            json!([]),
        );
        let row = row(&seen, rests);
        assert_eq!(
            row.state,
            "draining, not registered, rests for 1 caller, silent for 2 callers"
        );
        assert_eq!(row.cells()[4], "ff000000*");
    }

    #[test]
    fn a_node_that_cannot_be_reached_has_a_row_all_the_same() {
        let error = OperatorError::Unreachable {
            addr: "127.0.0.1:1".to_owned(),
            why: "refused".to_owned(),
        };
        let row = node_row(
            &node("Billing", "b1"),
            Err(&error),
            Rests::default(),
            &health(json!({})),
        );
        assert!(!row.reachable);
        assert_eq!(row.state, "unreachable: refused");
        let cells = row.cells();
        assert_eq!((cells[3].as_str(), cells[6].as_str()), ("-", "-"));
    }

    #[test]
    fn callers_are_counted_once_each() {
        let link = |more: Value| {
            let mut link = json!({
                "peer": {"type": "Billing", "instance": "b1"}, "addr": "h:1", "dialled": true,
                "started_ms": 1
            });
            let more = more.as_object().unwrap().clone();
            link.as_object_mut().unwrap().extend(more);
            link
        };
        let resting = link(json!({"rests_ms": 0}));
        let answers = [
            (
                node("Gateway", "g1"),
                Ok(seen(json!({}), json!([resting, resting]))),
            ),
            (
                node("Gateway", "g2"),
                Ok(seen(json!({}), json!([link(json!({"silent": true}))]))),
            ),
            (
                node("Gateway", "g3"),
                Ok(seen(json!({}), json!([link(json!({}))]))),
            ),
        ];
        let expected = Rests {
            resting: 1,
            silent: 1,
        };
        let passed_over = passed_over(&answers);
        assert_eq!(passed_over.len(), 1);
        assert_eq!(passed_over["Billing/b1"], expected);
    }

    #[test]
    fn a_type_without_nodes_is_not_found() {
        let nodes = [node("Billing", "b1"), node("Stock", "s1")];
        assert!(must_be_there(&nodes, "Stock").is_ok());
        let missing = must_be_there(&nodes, "Biling").unwrap_err().to_string();
        assert!(missing.contains("types Billing, Stock"), "{missing}");
    }
}
