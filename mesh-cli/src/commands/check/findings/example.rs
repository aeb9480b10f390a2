//! A mesh in which nothing is wrong, for the tests: a gateway that dials two instances of Billing.

use std::{collections::HashMap, time::Duration};

use mesh_runtime::{
    operator::{Health, LinkState, QueueCounts},
    schema::SchemaDescription,
};
use serde_json::{Value, json};

use super::super::snapshot::{Answers, Clock, MasterSeen, NodeSeen, Snapshot};

/// The schema. `charge` is the fingerprint of the command `charge`, with its types.
pub(in super::super) fn schema(fingerprint: u64, charge: u64) -> SchemaDescription {
    let schema = json!({
        "mesh": "Shop",
        "fingerprint": format!("{fingerprint:#018x}"),
        "types": [],
        "nodes": [
            {"name": "Gateway", "links_to": ["Billing"], "commands": []},
            {"name": "Billing", "links_to": [], "commands": [
                command("charge", 257, charge, "balanced"),
                command("export", 258, 1, "queued_balanced"),
            ]},
        ]
    });
    SchemaDescription::from_json(&schema.to_string()).unwrap()
}

fn command(name: &str, id: u32, wire_fingerprint: u64, delivery: &str) -> Value {
    json!({
        "name": name, "id": format!("{id:#010x}"), "fingerprint": "0x0000000000000001",
        "wire_fingerprint": format!("{wire_fingerprint:#018x}"), "delivery": delivery, "args": []
    })
}

/// The mesh: g1, b1 and b2.
pub(in super::super) fn shop() -> Snapshot {
    let node = |node_type: &str, instance: &str, links: &[(&str, &str)]| NodeSeen {
        node_type: node_type.to_owned(),
        instance: instance.to_owned(),
        draining: false,
        new: false,
        answers: Ok(Answers {
            health: health(if node_type == "Billing" { 7 } else { 0 }),
            clock: clock(0),
            links: links.iter().map(|(of, peer)| link(of, peer)).collect(),
            queues: Vec::new(),
            queues_before: Vec::new(),
        }),
    };
    Snapshot {
        master: MasterSeen {
            schema: schema(1, 1),
            health: health(0),
            clock: clock(0),
        },
        nodes: vec![
            node("Billing", "b1", &[("Gateway", "g1")]),
            node("Billing", "b2", &[("Gateway", "g1")]),
            node("Gateway", "g1", &[("Billing", "b1"), ("Billing", "b2")]),
        ],
        types: ["Billing", "Gateway"].map(str::to_owned).into(),
        watched: Duration::from_secs(2),
        described: HashMap::new(),
    }
}

fn health(commands: u64) -> Health {
    let mut health: Health =
        serde_json::from_value(json!({ "status": "ok", "registered": true })).unwrap();
    health.runtime = "0.1.0".to_owned();
    health.schema = 1;
    health.commands = commands;
    health
}

/// A clock that goes ahead of this machine's.
pub(in super::super) fn clock(ahead_ms: i64) -> Option<Clock> {
    Some(Clock {
        ahead_ms,
        give_or_take_ms: 1,
    })
}

fn link(node_type: &str, instance: &str) -> LinkState {
    let link = json!({
        "peer": {"type": node_type, "instance": instance},
        "addr": "127.0.0.1:1", "dialled": true, "started_ms": 1_000
    });
    serde_json::from_value(link).unwrap()
}

/// The answers of an instance of [`shop`].
pub(in super::super) fn answers<'a>(snapshot: &'a mut Snapshot, instance: &str) -> &'a mut Answers {
    let mut nodes = snapshot.nodes.iter_mut();
    let node = nodes.find(|node| node.instance == instance).unwrap();
    node.answers.as_mut().unwrap()
}

/// Gives b1 a queue of its own for the command `export`.
pub(in super::super) fn queue(snapshot: &mut Snapshot, change: impl Fn(&mut QueueCounts)) {
    answers(snapshot, "b1").queues = vec![counts(change)];
}

/// The same queue at the first look.
pub(in super::super) fn queue_before(snapshot: &mut Snapshot, change: impl Fn(&mut QueueCounts)) {
    answers(snapshot, "b1").queues_before = vec![counts(change)];
}

fn counts(change: impl Fn(&mut QueueCounts)) -> QueueCounts {
    let mut counts = QueueCounts::default();
    counts.command = "export".to_owned();
    change(&mut counts);
    counts
}
