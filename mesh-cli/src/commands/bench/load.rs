//! Makes the calls: so many at once, in turn over all instances.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mesh_runtime::operator::OperatorError;
use tokio::{sync::Semaphore, time};

use super::tally::{Ended, Tally};
use crate::{commands::call::targets::Target, error::Result};

/// How many calls may be under way on one link. An operator's link allows 256, and some are left for others.
pub(super) const MAX_IN_FLIGHT: usize = 200;

/// How many places there are to count at, so that those who count seldom wait for each other.
const TALLIES: usize = 16;

/// The wait after an error, so that errors that come at once do not keep the processor busy.
const PAUSE: Duration = Duration::from_millis(1);

/// A load on instances.
pub(super) struct Load {
    targets: Vec<Loaded>,
    timeout: Duration,
    rate: Option<u32>,
    times: Times,
    /// The number of the next call.
    next: AtomicU64,
    /// How many calls have ended, with those of the warmup.
    ended: AtomicU64,
    tallies: Vec<Mutex<Tally>>,
}

/// When what begins and ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) start: Instant,
    /// From here on, calls that end are counted.
    pub(super) counted: Instant,
    /// From here on, no call begins, and none that ends is counted.
    pub(super) end: Instant,
}

impl Times {
    /// Whether a call that has ended then is counted.
    fn are_counting(self, ended: Instant) -> bool {
        (self.counted..self.end).contains(&ended)
    }
}

struct Loaded {
    target: Target,
    /// How many more calls may be under way.
    room: Semaphore,
    /// The connection is lost.
    lost: AtomicBool,
}

impl Load {
    pub(super) fn new(
        targets: Vec<Target>,
        timeout: Duration,
        rate: Option<u32>,
        times: Times,
    ) -> Result<Self> {
        let targets = targets.into_iter().map(|target| Loaded {
            target,
            room: Semaphore::new(MAX_IN_FLIGHT),
            lost: AtomicBool::new(false),
        });
        let tallies = (0..TALLIES).map(|_| Tally::new().map(Mutex::new));
        Ok(Self {
            targets: targets.collect(),
            timeout,
            rate,
            times,
            next: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            tallies: tallies.collect::<Result<_>>()?,
        })
    }

    /// How many calls have ended, with those of the warmup.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// All that was counted.
    pub(super) fn tally(&self) -> Result<Tally> {
        let mut sum = Tally::new()?;
        for tally in &self.tallies {
            sum.add_all(&tally.lock().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(sum)
    }

    /// Makes one call after the other, until the time is over or all connections are lost.
    pub(super) async fn work(&self, worker: usize) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = self.due(number);
            if due.is_some_and(|due| due >= self.times.end) {
                return;
            }
            if let Some(due) = due {
                time::sleep_until(due.into()).await;
            }
            if Instant::now() >= self.times.end {
                return;
            }
            let Some(loaded) = self.loaded(number) else {
                return;
            };
            self.one(worker, loaded, due).await;
        }
    }

    /// When a call is to begin, if there is a rate.
    fn due(&self, number: u64) -> Option<Instant> {
        let rate = self.rate?;
        let after = Duration::from_secs_f64(number as f64 / f64::from(rate.max(1)));
        self.times.start.checked_add(after)
    }

    /// The instance whose turn it is. `None` if all connections are lost.
    fn loaded(&self, number: u64) -> Option<&Loaded> {
        let count = self.targets.len();
        let first = (number % (count.max(1) as u64)) as usize;
        (0..count)
            .filter_map(|offset| self.targets.get((first + offset) % count))
            .find(|loaded| !loaded.lost.load(Ordering::Relaxed))
    }

    /// Makes a call. With a rate, it is measured from when it was due, so that waiting for its turn counts. Whether it is
    /// counted goes by its end: so as many come in at the beginning as are left out at the end.
    async fn one(&self, worker: usize, loaded: &Loaded, due: Option<Instant>) {
        // The semaphore is never closed.
        let _permit = loaded.room.acquire().await;
        let began = due.unwrap_or_else(Instant::now);
        let target = &loaded.target;
        let call = target
            .operator
            .call(&target.schema, &target.command, &target.args);
        let ended = match call.timeout(self.timeout).await {
            Ok(answer) if target.is_err(&answer) => Ended::AnsweredErr,
            Ok(_) => Ended::Answered,
            Err(error) => Ended::Failed(error),
        };
        let now = Instant::now();
        self.ended.fetch_add(1, Ordering::Relaxed);
        if self.times.are_counting(now)
            && let Some(tally) = self.tallies.get(worker % TALLIES)
        {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            let took = now.saturating_duration_since(began);
            tally.add(took, &ended);
        }
        if let Ended::Failed(error) = ended {
            if matches!(error, OperatorError::Lost { .. }) {
                loaded.lost.store(true, Ordering::Relaxed);
            }
            time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_their_end() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let times = Times {
            start,
            counted: at(1),
            end: at(11),
        };
        let counted = [0, 1, 10, 11, 12].map(|seconds| times.are_counting(at(seconds)));
        assert_eq!(counted, [false, true, true, false, false]);
    }
}
