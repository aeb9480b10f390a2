//! Counts one command in one direction. Every update is one relaxed atomic operation, so a copy that is taken meanwhile
//! may lack the last calls, or parts of them.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::time::Instant;

use super::{
    CommandMetrics, Direction, EndStatus,
    histogram::{BUCKETS, Histogram, bucket_of},
};
use crate::id::CommandName;

/// A recorder that is made when it is first used: a schema may have many commands that a node never calls.
#[derive(Debug, Default)]
pub(crate) struct LazyRecorder(OnceLock<Arc<CommandRecorder>>);

impl LazyRecorder {
    #[inline]
    pub(crate) fn get(&self) -> &Arc<CommandRecorder> {
        self.0.get_or_init(Arc::default)
    }

    /// What was counted. `None` if nothing was.
    pub(crate) fn snapshot(
        &self,
        command: CommandName,
        direction: Direction,
    ) -> Option<CommandMetrics> {
        let recorder = self.0.get()?;
        Some(recorder.snapshot(command, direction))
    }
}

/// The counters of one command in one direction.
#[derive(Debug)]
pub(crate) struct CommandRecorder {
    begun: AtomicU64,
    retries: AtomicU64,
    sum_ns: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
    /// By [`EndStatus`]. No counter is the difference of two others: it could decrease for a moment, which readers take for a
    /// restart.
    ended: [AtomicU64; EndStatus::COUNT],
}

impl Default for CommandRecorder {
    fn default() -> Self {
        Self {
            begun: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            sum_ns: AtomicU64::new(0),
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            ended: [const { AtomicU64::new(0) }; EndStatus::COUNT],
        }
    }
}

impl CommandRecorder {
    /// One begins. It is to [end](Self::end).
    #[inline]
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Relaxed);
    }

    /// One has ended that had begun at that time.
    #[inline]
    pub(crate) fn end(&self, began: Instant, status: EndStatus) {
        let ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(ns)].fetch_add(1, Relaxed);
        self.sum_ns.fetch_add(ns, Relaxed);
        self.ended[status as usize].fetch_add(1, Relaxed);
    }

    /// A call is tried once more.
    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self, command: CommandName, direction: Direction) -> CommandMetrics {
        let ended = EndStatus::ALL.map(|status| self.ended[status as usize].load(Relaxed));
        let counted = EndStatus::ALL.iter().zip(ended);
        let counted = counted.filter(|(status, count)| **status == EndStatus::Ok || *count > 0);
        let buckets = self.buckets.each_ref().map(|count| count.load(Relaxed));
        let begun = self.begun.load(Relaxed);
        CommandMetrics {
            node_type: command.node_type.to_owned(),
            command: command.name.to_owned(),
            direction,
            in_flight: begun.saturating_sub(ended.iter().sum()),
            retries: self.retries.load(Relaxed),
            statuses: counted
                .map(|(status, count)| (status.name().to_owned(), count))
                .collect(),
            durations: Histogram::new(self.sum_ns.load(Relaxed), buckets),
        }
    }
}

/// One that has begun on the callee's side. If it is dropped before its end, it counts as cancelled.
pub(crate) struct Recording {
    recorder: Arc<CommandRecorder>,
    began: Instant,
    ended: bool,
}

impl Recording {
    #[inline]
    pub(crate) fn begin(recorder: &Arc<CommandRecorder>) -> Self {
        recorder.begin();
        Self {
            recorder: Arc::clone(recorder),
            began: Instant::now(),
            ended: false,
        }
    }

    #[inline]
    pub(crate) fn end(mut self, status: EndStatus) {
        self.ended = true;
        self.recorder.end(self.began, status);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.ended {
            self.recorder.end(self.began, EndStatus::Cancelled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHARGE: CommandName = CommandName {
        node_type: "Billing",
        name: "charge",
    };

    #[test]
    fn each_one_that_begins_is_in_flight_until_it_ends_and_has_one_status() {
        let recorder = Arc::new(CommandRecorder::default());
        let all = [
            EndStatus::Ok,
            EndStatus::Error,
            EndStatus::Error,
            EndStatus::DeadlineExceeded,
        ];
        let mut open: Vec<_> = all.map(|_| Recording::begin(&recorder)).into();
        open.push(Recording::begin(&recorder));
        assert_eq!(recorder.snapshot(CHARGE, Direction::Server).in_flight, 5);
        let dropped = open.pop();
        for (recording, status) in open.into_iter().zip(all) {
            recording.end(status);
        }
        drop(dropped);
        let counted = recorder.snapshot(CHARGE, Direction::Server);
        assert_eq!((counted.in_flight, counted.count()), (0, 5));
        let statuses: Vec<_> = counted.statuses.into_iter().collect();
        let expected = [
            ("cancelled", 1),
            ("deadline_exceeded", 1),
            ("error", 2),
            ("ok", 1),
        ];
        assert_eq!(
            statuses,
            expected.map(|(name, count)| (name.to_owned(), count))
        );
    }

    #[test]
    fn a_recorder_that_was_not_used_has_nothing_to_say() {
        let recorder = LazyRecorder::default();
        assert_eq!(recorder.snapshot(CHARGE, Direction::Client), None);
        recorder.get().begin();
        assert!(recorder.snapshot(CHARGE, Direction::Client).is_some());
    }
}
