//! Counts one command in one direction. Every update is one relaxed atomic operation, so a copy that is taken meanwhile
//! may lack the last calls, or parts of them.

use std::{
    array,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
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

/// How many threads count without getting into each other's way. Further ones share counters with others.
const SHARDS: usize = 8;

/// The counters of one command in one direction. Each thread has its own, since a counter that two threads add to in
/// turns is ten times as slow.
#[derive(Debug, Default)]
pub(crate) struct CommandRecorder {
    shards: [OnceLock<Box<Shard>>; SHARDS],
}

/// The counters of a thread, in cache lines of their own.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    begun: AtomicU64,
    retries: AtomicU64,
    sum_ns: AtomicU64,
    /// By [`EndStatus`]. No counter is the difference of two others: it could decrease for a moment, which readers take for
    /// a restart.
    ended: [AtomicU64; EndStatus::COUNT],
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            begun: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            sum_ns: AtomicU64::new(0),
            ended: [const { AtomicU64::new(0) }; EndStatus::COUNT],
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

/// The number of the shard that this thread counts in.
#[inline]
fn own_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Relaxed) % SHARDS;
    }
    // What is counted while a thread ends may go anywhere.
    OWN.try_with(|own| *own).unwrap_or_default()
}

impl CommandRecorder {
    /// One begins. It is to [end](Self::end).
    #[inline]
    pub(crate) fn begin(&self) {
        self.shard().begun.fetch_add(1, Relaxed);
    }

    /// One has ended that had begun at that time.
    #[inline]
    pub(crate) fn end(&self, began: Instant, status: EndStatus) {
        let ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let shard = self.shard();
        shard.buckets[bucket_of(ns)].fetch_add(1, Relaxed);
        shard.sum_ns.fetch_add(ns, Relaxed);
        shard.ended[status as usize].fetch_add(1, Relaxed);
    }

    /// A call is tried once more.
    pub(crate) fn retried(&self) {
        self.shard().retries.fetch_add(1, Relaxed);
    }

    #[inline]
    fn shard(&self) -> &Shard {
        self.shards[own_shard() % SHARDS].get_or_init(Box::default)
    }

    pub(crate) fn snapshot(&self, command: CommandName, direction: Direction) -> CommandMetrics {
        let sum = |count: &dyn Fn(&Shard) -> &AtomicU64| -> u64 {
            let shards = self.shards.iter().filter_map(OnceLock::get);
            let counts = shards.map(|shard| count(shard).load(Relaxed));
            counts.fold(0, u64::wrapping_add)
        };
        // What has ended before what has begun: what begins and ends meanwhile may then be missing, but is not in flight.
        let ended = EndStatus::ALL.map(|status| sum(&|shard| &shard.ended[status as usize]));
        let buckets: [u64; BUCKETS] = array::from_fn(|index| sum(&|shard| &shard.buckets[index]));
        let sum_ns = sum(&|shard| &shard.sum_ns);
        let begun = sum(&|shard| &shard.begun);
        let counted = EndStatus::ALL.iter().zip(ended);
        let counted = counted.filter(|(status, count)| **status == EndStatus::Ok || *count > 0);
        CommandMetrics {
            node_type: command.node_type.to_owned(),
            command: command.name.to_owned(),
            direction,
            in_flight: begun.saturating_sub(ended.iter().sum()),
            retries: sum(&|shard| &shard.retries),
            statuses: counted
                .map(|(status, count)| (status.name().to_owned(), count))
                .collect(),
            durations: Histogram::new(sum_ns, buckets),
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
    fn what_many_threads_count_is_added() {
        let recorder = CommandRecorder::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| {
                    for _ in 0..100 {
                        recorder.begin();
                        recorder.end(Instant::now(), EndStatus::Ok);
                    }
                    recorder.begin();
                });
            }
        });
        let counted = recorder.snapshot(CHARGE, Direction::Client);
        assert_eq!(counted.count(), 200 * SHARDS as u64);
        assert_eq!(counted.statuses["ok"], 200 * SHARDS as u64);
        assert_eq!(counted.in_flight, 2 * SHARDS as u64);
    }

    #[test]
    fn a_recorder_that_was_not_used_has_nothing_to_say() {
        let recorder = LazyRecorder::default();
        assert_eq!(recorder.snapshot(CHARGE, Direction::Client), None);
        recorder.get().begin();
        assert!(recorder.snapshot(CHARGE, Direction::Client).is_some());
    }
}
