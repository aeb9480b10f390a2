//! How many calls and jobs of each command there were, how they ended and how long they took.
//!
//! Each node counts by itself, always; [`Node::metrics`](crate::Node::metrics) is a copy of what it has counted so far.
//! Operators get the same over a sealed link, and Prometheus gets it as text, if the node was told to open a port for it:
//! [`NodeBuilder::metrics`](crate::NodeBuilder::metrics).

mod histogram;
mod recorder;
mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(crate) use histogram::is_bound;
pub use histogram::{Bucket, Histogram};
pub(crate) use recorder::{CommandRecorder, LazyRecorder, Recording};
pub(crate) use status::EndStatus;

/// What a node has counted since it was started: one entry for each command that it serves, and one for each other
/// command and [`Direction`] that was used at least once.
///
/// ```no_run
/// # use mesh_runtime::{Node, NodeType, metrics::Direction};
/// # fn look<Billing: NodeType>(billing: &Node<Billing>) {
/// for command in billing.metrics().commands {
///     if command.direction == Direction::Server {
///         let p99 = command.durations.quantile(0.99);
///         println!("{}: {} calls, {} failed, p99 {p99:?}", command.command, command.count(), command.errors());
///     }
/// }
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metrics {
    /// The commands, by node type, name and direction.
    pub commands: Vec<CommandMetrics>,
}

/// The most buckets that a histogram of another process may have, and the most statuses: more than any version has.
#[cfg(feature = "operator")]
const MAX_PARTS: usize = 512;

#[cfg(feature = "operator")]
impl Metrics {
    /// Whether what another process tells makes sense, so that it can be worked with.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        for command in &self.commands {
            let buckets = &command.durations.buckets;
            if buckets.len() > MAX_PARTS || command.statuses.len() > MAX_PARTS {
                return Err("a command has too many buckets or statuses");
            }
            if !buckets.is_sorted_by(|one, other| one.from_ns < other.from_ns) {
                return Err("the buckets of a command are not in order");
            }
        }
        Ok(())
    }
}

/// What was counted of one command, on one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CommandMetrics {
    /// The node type that serves the command.
    #[serde(rename = "type")]
    pub node_type: String,
    /// The command.
    pub command: String,
    /// Which side of the call was counted.
    pub direction: Direction,
    /// How many have begun and not ended.
    pub in_flight: u64,
    /// How many further attempts there were, after the first ones of their calls. Only of [`Direction::Client`].
    #[serde(default)]
    pub retries: u64,
    /// How many have ended in which way. `ok`; `error`, where the handler returned an `Err` of its own; or a failure, as
    /// `deadline_exceeded`.
    pub statuses: BTreeMap<String, u64>,
    /// How long those took that have ended, whichever way.
    #[serde(flatten)]
    pub durations: Histogram,
}

/// Which side of a call was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Direction {
    /// Calls that this node has made, from the await to the end, with all attempts.
    Client,
    /// Calls that this node has served, from their arrival to the answer. Of a queued command: until the job was queued.
    Server,
    /// Attempts of jobs.
    Job,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

impl Direction {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Job => "job",
            Self::Other => "other",
        }
    }
}

impl CommandMetrics {
    /// How many have ended.
    pub fn count(&self) -> u64 {
        self.durations.count()
    }

    /// How many have ended otherwise than `ok`.
    pub fn errors(&self) -> u64 {
        let failed = self.statuses.iter();
        failed
            .filter(|(status, _)| *status != EndStatus::Ok.name())
            .fold(0, |sum: u64, (_, count)| sum.saturating_add(*count))
    }

    /// What has been counted since `earlier`, of the same command of the same process. If it was restarted in between,
    /// what it has counted since then.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        if self.count() < earlier.count() {
            return self.clone();
        }
        let statuses = self.statuses.iter().map(|(status, count)| {
            let before = earlier.statuses.get(status).copied().unwrap_or_default();
            (status.clone(), count.saturating_sub(before))
        });
        Self {
            retries: self.retries.saturating_sub(earlier.retries),
            statuses: statuses.collect(),
            durations: self.durations.since(&earlier.durations),
            ..self.clone()
        }
    }

    /// Adds what another node has counted.
    pub fn add(&mut self, other: &Self) {
        self.in_flight = self.in_flight.saturating_add(other.in_flight);
        self.retries = self.retries.saturating_add(other.retries);
        for (status, count) in &other.statuses {
            let sum = self.statuses.entry(status.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.durations.add(&other.durations);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(ok: u64, error: u64) -> CommandMetrics {
        let json = serde_json::json!({
            "type": "Billing", "command": "charge", "direction": "server", "in_flight": 1,
            "statuses": {"ok": ok, "error": error},
            "sum_ns": (ok + error) * 1_000,
            "buckets": [{"from_ns": 0, "to_ns": 10_000, "count": ok + error}],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn everything_but_ok_is_an_error() {
        let metrics = metrics(7, 3);
        assert_eq!((metrics.count(), metrics.errors()), (10, 3));
    }

    #[test]
    fn a_difference_has_what_came_later_also_after_a_restart() {
        let later = metrics(10, 5).since(&metrics(7, 3));
        assert_eq!((later.count(), later.errors()), (5, 2));
        assert_eq!(later.durations.sum_ns, 5_000);
        let restarted = metrics(2, 1).since(&metrics(7, 3));
        assert_eq!((restarted.count(), restarted.errors()), (3, 1));
    }

    #[test]
    fn sums_have_what_both_have_counted() {
        let mut sum = metrics(7, 3);
        sum.add(&metrics(1, 1));
        assert_eq!((sum.count(), sum.errors(), sum.in_flight), (12, 4, 2));
    }

    #[cfg(feature = "operator")]
    #[test]
    fn what_another_process_tells_must_make_sense() {
        let told = |buckets: serde_json::Value| {
            let mut command = metrics(1, 1);
            command.durations.buckets = serde_json::from_value(buckets).unwrap();
            let commands = vec![command];
            Metrics { commands }.check()
        };
        let bucket = |from: usize| serde_json::json!({"from_ns": from, "to_ns": null, "count": 1});
        assert_eq!(told(serde_json::json!([bucket(1), bucket(2)])), Ok(()));
        told(serde_json::json!([bucket(2), bucket(2)])).unwrap_err();
        let many: Vec<_> = (0..MAX_PARTS + 1).map(bucket).collect();
        told(many.into()).unwrap_err();
    }

    #[test]
    fn a_direction_of_a_later_version_is_other() {
        let direction: Direction = serde_json::from_str("\"sideways\"").unwrap();
        assert_eq!(direction, Direction::Other);
    }
}
