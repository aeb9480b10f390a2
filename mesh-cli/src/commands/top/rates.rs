//! From samples to the rows of the table.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use mesh_runtime::{
    metrics::{CommandMetrics, Direction, Histogram, Metrics},
    operator::QueueCounts,
};

use super::sample::{Heard, NodeSample, Sample};
use crate::fleet::Process;

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

/// What each process has told last, as far as it is still listed.
#[derive(Debug, Default)]
pub(super) struct Before(HashMap<Process, NodeSample>);

impl Before {
    /// A row for each command that a node serves, also for those of a node that is silent now. Of a process that has told
    /// nothing before, there are no rates.
    pub(super) fn rows(&self, now: &Sample) -> Vec<Row> {
        let mut keys = BTreeSet::new();
        for node in &now.nodes {
            keys.extend(keys_of(node));
            keys.extend(self.0.get(&node.process).into_iter().flat_map(keys_of));
        }
        keys.into_iter().map(|key| row(self, now, key)).collect()
    }

    /// Keeps a sample for the next one to be compared with. A node that was silent is compared with what it has told before.
    pub(super) fn remember(&mut self, now: Sample) {
        let mut before = std::mem::take(&mut self.0);
        for node in now.nodes {
            let last = match node.heard {
                Heard::Nothing => before.remove(&node.process),
                Heard::NoMetrics { .. } | Heard::Counted { .. } => Some(node),
            };
            self.0.extend(last.map(|node| (node.process.clone(), node)));
        }
    }
}

fn row(before: &Before, now: &Sample, key: Key) -> Row {
    let of_type = now.nodes.iter();
    let of_type = of_type.filter(|node| node.process.node_type == key.node_type);
    let mut counted = Vec::new();
    let mut instances = Vec::new();
    for node in of_type {
        let earlier = before.0.get(&node.process);
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

/// The figures of some instances together. What all of them share belongs to none of them alone.
fn figures(counted: &[&Counted<'_>], with_shared: bool) -> Figures {
    let lately = || counted.iter().filter_map(|one| one.lately.as_ref());
    let mut durations = Histogram::default();
    lately().for_each(|lately| durations.add(&lately.durations));
    let queues = counted.iter().filter_map(|one| one.queue);
    // The counts of a queue that cannot be asked are 0.
    let queues: Vec<&QueueCounts> = queues.filter(|queue| queue.error.is_none()).collect();
    Figures {
        calls_per_s: sum(lately().map(|lately| rate(lately.count, lately.seconds))),
        errors_per_s: sum(lately().map(|lately| rate(lately.errors, lately.seconds))),
        p50: durations.quantile(0.5),
        p99: durations.quantile(0.99),
        in_flight: total(counted.iter().filter_map(|one| one.in_flight)),
        waiting: jobs(&queues, with_shared, |queue| {
            (queue.shared, queue.waiting.saturating_add(queue.delayed))
        }),
        dead: jobs(&queues, with_shared, |queue| {
            (queue.shared || queue.dead_shared, queue.dead)
        }),
    }
}

/// Jobs in queues. `count` says how many there are, and whether they are those of all instances: then all tell the same,
/// or nearly so.
fn jobs(
    queues: &[&QueueCounts],
    with_shared: bool,
    count: impl Fn(&QueueCounts) -> (bool, u64),
) -> Option<u64> {
    let mut shared: Option<u64> = None;
    let mut own: Option<u64> = None;
    for (is_shared, jobs) in queues.iter().map(|queue| count(queue)) {
        if is_shared {
            shared = shared.max(Some(jobs));
        } else {
            own = Some(jobs.saturating_add(own.unwrap_or(0)));
        }
    }
    total(shared.filter(|_| with_shared).into_iter().chain(own))
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
