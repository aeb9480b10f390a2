//! What a node or master tells Prometheus. The names are those of OpenTelemetry's semantic conventions where there are
//! some, and begin with `mesh_` where there are none. No label has the id of an instance: ids may be random, and each new
//! one would be a new time series for ever.

use std::collections::BTreeMap;

use super::{
    obstacles,
    text::{Kind, Label, Text},
};
use crate::{
    metrics::{CommandMetrics, Direction, EndStatus, Metrics},
    operator::{HealthStatus, LinkState, Operated, QueueCounts},
};

/// The bounds of the buckets, in nanoseconds and as text in seconds. Each is a bound of the histograms of a node, so that
/// the counts are exact.
const BOUNDS: [(u64, &str); 16] = [
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (5_000_000_000, "5"),
    (60_000_000_000, "60"),
];

/// How calls end on the caller's side.
const CLIENT: [EndStatus; 16] = [
    EndStatus::Ok,
    EndStatus::Error,
    EndStatus::NoPeer,
    EndStatus::TooFewPeers,
    EndStatus::Overloaded,
    EndStatus::Denied,
    EndStatus::Incompatible,
    EndStatus::LinkLost,
    EndStatus::DeadlineExceeded,
    EndStatus::Cancelled,
    EndStatus::Codec,
    EndStatus::HandlerPanicked,
    EndStatus::Refused,
    EndStatus::QueueFull,
    EndStatus::Queue,
    EndStatus::ShuttingDown,
];

/// How calls end on the callee's side.
const SERVER: [EndStatus; 10] = [
    EndStatus::Ok,
    EndStatus::Error,
    EndStatus::Incompatible,
    EndStatus::DeadlineExceeded,
    EndStatus::Cancelled,
    EndStatus::Codec,
    EndStatus::HandlerPanicked,
    EndStatus::Refused,
    EndStatus::QueueFull,
    EndStatus::Queue,
];

/// How attempts of jobs end.
const JOB: [EndStatus; 6] = [
    EndStatus::Ok,
    EndStatus::Incompatible,
    EndStatus::Cancelled,
    EndStatus::HandlerPanicked,
    EndStatus::Refused,
    EndStatus::Failed,
];

/// The text.
pub(super) async fn of(operated: &dyn Operated) -> String {
    let mut text = Text::default();
    process(&mut text, operated);
    if operated.member().node_type.is_empty() {
        registered_nodes(&mut text, operated);
    } else {
        node(&mut text, operated);
        let metrics = operated.metrics();
        calls(&mut text, &metrics);
        jobs(&mut text, &metrics);
        queues(&mut text, operated).await;
    }
    text.finish()
}

fn process(text: &mut Text, operated: &dyn Operated) {
    let node_type = operated.member().node_type;
    let role = if node_type.is_empty() {
        "master"
    } else {
        "node"
    };
    let name = "mesh_info";
    text.metric(name, Kind::Gauge, "What this process is. Always 1.");
    let labels = [
        ("mesh", operated.schema().mesh()),
        ("role", role),
        ("node_type", &node_type),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    text.sample(name, &labels, 1);
    let started = operated.started_ms() as f64 / 1000.0;
    gauge(
        text,
        "process_start_time_seconds",
        "When it was started, in seconds since 1970.",
        started,
    );
    gauge(
        text,
        "mesh_ready",
        "Whether it is ready, as /readyz says.",
        u8::from(obstacles(operated).is_empty()),
    );
    gauge(
        text,
        "mesh_operators",
        "The operators and observers that are connected.",
        operated.operators(),
    );
    let name = "mesh_events_total";
    text.metric(
        name,
        Kind::Counter,
        "What has happened to it, by the kind of event.",
    );
    for (kind, count) in operated.events().counts() {
        text.sample(name, &[("event", kind)], count);
    }
}

fn gauge(text: &mut Text, name: &str, help: &str, value: impl std::fmt::Display) {
    text.metric(name, Kind::Gauge, help);
    text.sample(name, &[], value);
}

fn registered_nodes(text: &mut Text, operated: &dyn Operated) {
    let name = "mesh_registered_nodes";
    text.metric(
        name,
        Kind::Gauge,
        "The nodes that are registered, by node type.",
    );
    let types = operated.schema().node_types();
    let links = operated.links().links;
    for (node_type, count) in by_type(types, &links, |_| true) {
        text.sample(name, &[("node_type", node_type)], count);
    }
}

fn node(text: &mut Text, operated: &dyn Operated) {
    let health = operated.health();
    gauge(
        text,
        "mesh_registered",
        "Whether the master has this node in its registry.",
        u8::from(health.registered == Some(true)),
    );
    gauge(
        text,
        "mesh_draining",
        "Whether it shuts down.",
        u8::from(health.status == HealthStatus::Draining),
    );
    let links = operated.links().links;
    let peers = operated.schema().peers_of(&operated.member().node_type);
    type Which = fn(&LinkState) -> bool;
    let metrics: [(&str, &str, Which); 3] = [
        (
            "mesh_links",
            "The links to peers that take calls.",
            |link| !link.draining,
        ),
        (
            "mesh_resting_instances",
            "The instances that get no balanced calls for a while, because calls to them failed.",
            |link| link.rests_ms.is_some(),
        ),
        (
            "mesh_silent_instances",
            "The instances that get no balanced calls, because nothing is heard of them.",
            |link| link.silent,
        ),
    ];
    for (name, help, which) in metrics {
        text.metric(name, Kind::Gauge, help);
        for (node_type, count) in by_type(peers.iter().copied(), &links, which) {
            text.sample(name, &[("peer_type", node_type)], count);
        }
    }
}

/// How many links there are to each node type, of those that are meant. Each of `types` is there.
fn by_type(
    types: impl Iterator<Item = &'static str>,
    links: &[LinkState],
    which: impl Fn(&LinkState) -> bool,
) -> BTreeMap<&str, u64> {
    let mut counts: BTreeMap<&str, u64> = types.map(|node_type| (node_type, 0)).collect();
    for link in links.iter().filter(|link| which(link)) {
        *counts.entry(&link.peer.node_type).or_default() += 1;
    }
    counts
}

/// A command, as labels have it.
fn path(command: &CommandMetrics) -> String {
    format!("{}/{}", command.node_type, command.command)
}

fn calls(text: &mut Text, metrics: &Metrics) {
    let calls: Vec<_> = metrics
        .commands
        .iter()
        .filter(|command| matches!(command.direction, Direction::Client | Direction::Server))
        .map(|command| (path(command), command))
        .collect();
    let name = "mesh_calls_total";
    text.metric(
        name,
        Kind::Counter,
        "The calls that have ended, by how they ended.",
    );
    for (path, command) in &calls {
        let statuses = match command.direction {
            Direction::Client => &CLIENT[..],
            _ => &SERVER[..],
        };
        statuses_of(
            text,
            name,
            command,
            statuses,
            &[
                ("rpc_method", path),
                ("direction", command.direction.name()),
            ],
        );
    }
    let name = "mesh_calls_in_flight";
    text.metric(
        name,
        Kind::Gauge,
        "The calls that have begun and not ended.",
    );
    for (path, command) in &calls {
        let labels = [
            ("rpc_method", path.as_str()),
            ("direction", command.direction.name()),
        ];
        text.sample(name, &labels, command.in_flight);
    }
    let name = "mesh_call_retries_total";
    text.metric(
        name,
        Kind::Counter,
        "Further attempts of calls, after their first ones.",
    );
    for (path, command) in &calls {
        if command.direction == Direction::Client {
            text.sample(name, &[("rpc_method", path)], command.retries);
        }
    }
    for (direction, name, help) in [
        (
            Direction::Client,
            "rpc_client_call_duration_seconds",
            "How long calls of this node took, with all attempts.",
        ),
        (
            Direction::Server,
            "rpc_server_call_duration_seconds",
            "How long calls took that this node has served.",
        ),
    ] {
        text.metric(name, Kind::Histogram, help);
        for (path, command) in &calls {
            if command.direction == direction {
                histogram(
                    text,
                    name,
                    command,
                    &[("rpc_system_name", "mesh"), ("rpc_method", path)],
                );
            }
        }
    }
}

fn jobs(text: &mut Text, metrics: &Metrics) {
    let jobs: Vec<_> = metrics
        .commands
        .iter()
        .filter(|command| command.direction == Direction::Job)
        .map(|command| (path(command), command))
        .collect();
    let name = "mesh_jobs_total";
    text.metric(
        name,
        Kind::Counter,
        "The attempts of jobs that have ended, by how they ended.",
    );
    for (path, command) in &jobs {
        statuses_of(text, name, command, &JOB, &[("command", path)]);
    }
    let name = "messaging_process_duration_seconds";
    text.metric(name, Kind::Histogram, "How long attempts of jobs took.");
    for (path, command) in &jobs {
        histogram(
            text,
            name,
            command,
            &[
                ("messaging_system", "mesh"),
                ("messaging_destination_name", path),
            ],
        );
    }
}

/// A sample for each status: of a command that was used, all that are possible, so that the first one of a kind is seen
/// as an increase.
fn statuses_of(
    text: &mut Text,
    name: &str,
    command: &CommandMetrics,
    possible: &[EndStatus],
    labels: &[Label<'_>],
) {
    let used = command.count() > 0 || command.in_flight > 0;
    for status in possible {
        if used || matches!(status, EndStatus::Ok | EndStatus::Error) {
            let count = command.statuses.get(status.name()).copied();
            let labels = [labels, &[("status", status.name())]].concat();
            text.sample(name, &labels, count.unwrap_or_default());
        }
    }
}

fn histogram(text: &mut Text, name: &str, command: &CommandMetrics, labels: &[Label<'_>]) {
    let durations = &command.durations;
    let bucket = format!("{name}_bucket");
    for (ns, le) in BOUNDS {
        let labels = [labels, &[("le", le)]].concat();
        text.sample(&bucket, &labels, durations.up_to(ns));
    }
    let all = [labels, &[("le", "+Inf")]].concat();
    text.sample(&bucket, &all, durations.count());
    let seconds = durations.sum_ns as f64 / 1e9;
    text.sample(&format!("{name}_sum"), labels, seconds);
    text.sample(&format!("{name}_count"), labels, durations.count());
}

async fn queues(text: &mut Text, operated: &dyn Operated) {
    let node_type = operated.member().node_type;
    let queues = operated.stats().await.queues;
    let queues: Vec<(String, QueueCounts)> = queues
        .into_iter()
        .map(|counts| (format!("{node_type}/{}", counts.command), counts))
        .collect();
    let name = "mesh_queue_up";
    text.metric(
        name,
        Kind::Gauge,
        "Whether the engine of the queue answers.",
    );
    for (command, counts) in &queues {
        text.sample(
            name,
            &[("command", command)],
            u8::from(counts.error.is_none()),
        );
    }
    let told = || queues.iter().filter(|(_, counts)| counts.error.is_none());
    let name = "mesh_queue_jobs";
    text.metric(
        name,
        Kind::Gauge,
        "The jobs of a queue by their state. What is shared is told by every instance.",
    );
    for (command, counts) in told() {
        for (state, shared, jobs) in [
            ("waiting", counts.shared, counts.waiting),
            ("delayed", counts.shared, counts.delayed),
            ("running", counts.shared, counts.running),
            ("dead", counts.dead_shared, counts.dead),
        ] {
            let labels = [
                ("command", command.as_str()),
                is_shared(shared),
                ("state", state),
            ];
            text.sample(name, &labels, jobs);
        }
    }
    let name = "mesh_queue_oldest_seconds";
    text.metric(
        name,
        Kind::Gauge,
        "How long the oldest waiting job has waited; 0 if none waits.",
    );
    for (command, counts) in told() {
        let seconds = counts.oldest_ms.unwrap_or_default() as f64 / 1000.0;
        text.sample(
            name,
            &[("command", command), is_shared(counts.shared)],
            seconds,
        );
    }
    let name = "mesh_queue_paused";
    text.metric(name, Kind::Gauge, "Whether the queue is paused.");
    for (command, counts) in told() {
        let labels = [("command", command.as_str()), is_shared(counts.shared)];
        text.sample(name, &labels, u8::from(counts.paused));
    }
}

fn is_shared(shared: bool) -> Label<'static> {
    ("shared", if shared { "true" } else { "false" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::is_bound;

    #[test]
    fn every_bound_is_one_of_the_histograms() {
        for (ns, text) in BOUNDS {
            assert!(is_bound(ns), "{ns}");
            assert_eq!((text.parse::<f64>().unwrap() * 1e9).round() as u64, ns);
        }
    }
}
