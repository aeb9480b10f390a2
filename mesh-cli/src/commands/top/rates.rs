//! From two samples to the rows of the table.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use mesh_runtime::{
    metrics::{CommandMetrics, Direction, Histogram, Metrics},
    operator::QueueCounts,
};

use super::sample::{Heard, NodeSample, Process, Sample};

/// The shortest time between two samples that gives a rate.
const SHORTEST: Duration = Duration::from_millis(1);

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) node_type: String,
    pub(super) command: String,
    pub(super) kind: Kind,
}

/// Calls of a command, or its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Call,
    Job,
}

/// The figures of one command, and of one instance of it. `None` is not known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) calls_per_s: Option<f64>,
    pub(super) errors_per_s: Option<f64>,
    /// Of what has ended in the last interval.
    pub(super) p50: Option<Duration>,
    pub(super) p99: Option<Duration>,
    pub(super) in_flight: Option<u64>,
    /// Jobs that wait, also for their time.
    pub(super) waiting: Option<u64>,
    /// Dead letters.
    pub(super) dead: Option<u64>,
}

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) figures: Figures,
    /// All nodes of the type, also those that did not answer.
    pub(super) instances: Vec<Instance>,
}

/// A command on one instance.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Instance {
    pub(super) instance: String,
    pub(super) answered: Answered,
    pub(super) figures: Figures,
}

/// Whether a node has told its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Yes,
    NoMetrics,
    No,
}

/// The mesh as a whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) nodes: usize,
    pub(super) unreachable: usize,
    pub(super) no_metrics: usize,
    pub(super) calls_per_s: Option<f64>,
    pub(super) errors_per_s: Option<f64>,
    pub(super) master_lost: bool,
}

impl Kind {
    fn of(direction: Direction) -> Option<Self> {
        match direction {
            Direction::Server => Some(Self::Call),
            Direction::Job => Some(Self::Job),
            // The calls that a node makes are served by another.
            _ => None,
        }
    }

    /// Its name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Job => "job",
        }
    }
}

impl Row {
    /// How many instances have told their metrics.
    pub(super) fn answered(&self) -> usize {
        let answered = self.instances.iter();
        answered
            .filter(|instance| instance.answered == Answered::Yes)
            .count()
    }
}

impl Totals {
    /// Those of a sample and its rows.
    pub(super) fn of(sample: &Sample, rows: &[Row]) -> Self {
        let heard = |wanted: Answered| {
            let nodes = sample.nodes.iter();
            nodes.filter(|node| node.answered() == wanted).count()
        };
        let calls = || rows.iter().filter(|row| row.key.kind == Kind::Call);
        Self {
            nodes: sample.nodes.len(),
            unreachable: heard(Answered::No),
            no_metrics: heard(Answered::NoMetrics),
            calls_per_s: sum(calls().map(|row| row.figures.calls_per_s)),
            errors_per_s: sum(calls().map(|row| row.figures.errors_per_s)),
            master_lost: sample.master_lost,
        }
    }
}

/// A row for each command that a node serves. Without an earlier sample, there are no rates.
pub(super) fn rows(before: Option<&Sample>, now: &Sample) -> Vec<Row> {
    let before = before.into_iter().flat_map(|before| &before.nodes);
    let before: Before<'_> = before.map(|node| (&node.process, node)).collect();
    let keys: BTreeSet<Key> = now.nodes.iter().flat_map(keys_of).collect();
    keys.into_iter().map(|key| row(&before, now, key)).collect()
}

/// The nodes of an earlier sample.
type Before<'a> = HashMap<&'a Process, &'a NodeSample>;

fn row(before: &Before<'_>, now: &Sample, key: Key) -> Row {
    let of_type = now.nodes.iter();
    let of_type = of_type.filter(|node| node.process.node_type == key.node_type);
    let mut counted = Vec::new();
    let mut instances = Vec::new();
    for node in of_type {
        let earlier = before.get(&node.process).copied();
        let one = Counted::of(&key, node, earlier);
        instances.push(Instance {
            instance: node.process.instance.clone(),
            answered: node.answered(),
            figures: figures(&[&one], false),
        });
        counted.push(one);
    }
    let counted: Vec<&Counted<'_>> = counted.iter().collect();
    Row {
        figures: figures(&counted, true),
        key,
        instances,
    }
}

impl NodeSample {
    /// Whether the node has told its metrics.
    pub(super) fn answered(&self) -> Answered {
        match self.heard {
            Heard::Nothing => Answered::No,
            Heard::NoMetrics { .. } => Answered::NoMetrics,
            Heard::Counted { .. } => Answered::Yes,
        }
    }
}

/// The rows in which a node is.
fn keys_of(node: &NodeSample) -> Vec<Key> {
    let key = |command: &str, kind| Key {
        node_type: node.process.node_type.clone(),
        command: command.to_owned(),
        kind,
    };
    let commands = node.heard.metrics().into_iter();
    let commands = commands.flat_map(|metrics| &metrics.commands);
    let commands = commands.filter_map(|command| {
        let kind = Kind::of(command.direction)?;
        Some(key(&command.command, kind))
    });
    let queues = node.heard.queues().iter();
    let queues = queues.map(|queue| key(&queue.command, Kind::Job));
    commands.chain(queues).collect()
}

/// What one node has counted of one command.
struct Counted<'a> {
    in_flight: Option<u64>,
    queue: Option<&'a QueueCounts>,
    lately: Option<Lately>,
}

/// What has ended between two samples.
struct Lately {
    seconds: f64,
    count: u64,
    errors: u64,
    durations: Histogram,
}

impl<'a> Counted<'a> {
    fn of(key: &Key, node: &'a NodeSample, earlier: Option<&NodeSample>) -> Self {
        let metrics = node.heard.metrics();
        let command = metrics.and_then(|metrics| find(key, metrics));
        let mut queues = node.heard.queues().iter();
        let queue = queues.find(|queue| queue.command == key.command);
        Self {
            in_flight: command.map(|command| command.in_flight),
            queue: queue.filter(|_| key.kind == Kind::Job),
            lately: Lately::of(key, node, command, earlier),
        }
    }
}

impl Lately {
    /// `None` if there is nothing to compare with.
    fn of(
        key: &Key,
        node: &NodeSample,
        command: Option<&CommandMetrics>,
        earlier: Option<&NodeSample>,
    ) -> Option<Self> {
        let earlier = earlier?;
        let passed = node
            .heard
            .at()?
            .checked_duration_since(earlier.heard.at()?)?;
        if passed < SHORTEST {
            return None;
        }
        // What is not counted yet has not been used.
        let Some(command) = command else {
            return Some(Self {
                seconds: passed.as_secs_f64(),
                count: 0,
                errors: 0,
                durations: Histogram::default(),
            });
        };
        let before = earlier.heard.metrics();
        let since = match before.and_then(|before| find(key, before)) {
            // A counter that went backwards begins anew.
            Some(earlier) if !went_backwards(earlier, command) => command.since(earlier),
            _ => command.clone(),
        };
        Some(Self {
            seconds: passed.as_secs_f64(),
            count: since.count(),
            errors: since.errors(),
            durations: since.durations,
        })
    }
}

fn went_backwards(earlier: &CommandMetrics, now: &CommandMetrics) -> bool {
    now.count() < earlier.count() || now.errors() < earlier.errors()
}

fn find<'a>(key: &Key, metrics: &'a Metrics) -> Option<&'a CommandMetrics> {
    let mut commands = metrics.commands.iter();
    commands.find(|command| {
        Kind::of(command.direction) == Some(key.kind) && command.command == key.command
    })
}

/// The figures of some instances together. A queue that all of them share is no queue of one of them.
fn figures(counted: &[&Counted<'_>], with_shared: bool) -> Figures {
    let lately = || counted.iter().filter_map(|one| one.lately.as_ref());
    let mut durations = Histogram::default();
    lately().for_each(|lately| durations.add(&lately.durations));
    let queues = counted.iter().filter_map(|one| one.queue);
    // The counts of a queue that cannot be asked are 0.
    let queues = queues.filter(|queue| queue.error.is_none());
    let queues: Vec<&QueueCounts> = queues
        .filter(|queue| with_shared || !queue.shared)
        .collect();
    Figures {
        calls_per_s: sum(lately().map(|lately| rate(lately.count, lately.seconds))),
        errors_per_s: sum(lately().map(|lately| rate(lately.errors, lately.seconds))),
        p50: durations.quantile(0.5),
        p99: durations.quantile(0.99),
        in_flight: total(counted.iter().filter_map(|one| one.in_flight)),
        waiting: jobs(&queues, |queue| queue.waiting.saturating_add(queue.delayed)),
        dead: jobs(&queues, |queue| queue.dead),
    }
}

/// Jobs in queues. All instances tell the same of a queue that they share, or nearly so.
fn jobs(queues: &[&QueueCounts], count: impl Fn(&QueueCounts) -> u64) -> Option<u64> {
    let of_all = queues.iter().filter(|queue| queue.shared);
    let of_all = of_all.map(|queue| count(queue)).max();
    let own = queues.iter().filter(|queue| !queue.shared);
    let own = total(own.map(|queue| count(queue)));
    total(of_all.into_iter().chain(own))
}

fn rate(count: u64, seconds: f64) -> Option<f64> {
    let rate = count as f64 / seconds;
    rate.is_finite().then_some(rate)
}

/// The sum of what is known. `None` if nothing is.
fn sum(rates: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    rates.flatten().reduce(|sum, rate| sum + rate)
}

fn total(counts: impl Iterator<Item = u64>) -> Option<u64> {
    counts.reduce(u64::saturating_add)
}

#[cfg(test)]
pub(super) mod tests;
