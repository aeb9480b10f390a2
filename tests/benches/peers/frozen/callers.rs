//! The callers: each makes one call after the other, whether or not they fail, until they are told to end.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::{BYTES, CALLERS};
use crate::{Failure, load::Echo};

/// All callers of one contender.
pub(super) struct Callers {
    tally: Arc<Tally>,
    tasks: JoinSet<Result<(), Failure>>,
}

/// The calls that have ended so far.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    failed: AtomicU64,
    first_failure: OnceLock<String>,
    /// No further calls are to be made.
    ended: AtomicBool,
}

/// The calls that ended within some time.
pub(super) struct Phase {
    /// Answered calls.
    pub(super) per_s: f64,
    pub(super) failed: u64,
}

impl Callers {
    /// Must run on the client's thread.
    pub(super) fn start<E: Echo>(echo: &E) -> Self {
        let tally = Arc::new(Tally::default());
        let mut tasks = JoinSet::new();
        for _ in 0..CALLERS {
            tasks.spawn(call(echo.clone(), Arc::clone(&tally)));
        }
        Self { tally, tasks }
    }

    /// Counts the calls that end from now on, for this long.
    pub(super) async fn phase(&mut self, span: Duration) -> Result<Phase, Failure> {
        let begun = Instant::now();
        let (answered, failed) = self.tally.counts();
        tokio::time::sleep(span).await;
        let span = begun.elapsed();
        let (answered_now, failed_now) = self.tally.counts();
        if let Some(ended) = self.tasks.try_join_next() {
            ended??;
        }
        Ok(Phase {
            per_s: (answered_now - answered) as f64 / span.as_secs_f64(),
            failed: failed_now - failed,
        })
    }

    /// Waits for the calls under way. Returns the error of the first call that failed.
    pub(super) async fn end(mut self) -> Result<Option<String>, Failure> {
        self.tally.ended.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(self.tally.first_failure.get().cloned())
    }
}

impl Tally {
    /// Answered and failed calls.
    fn counts(&self) -> (u64, u64) {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        (count(&self.answered), count(&self.failed))
    }
}

/// One caller.
async fn call<E: Echo>(mut echo: E, tally: Arc<Tally>) -> Result<(), Failure> {
    let payload = Bytes::from(vec![7; BYTES]);
    while !tally.ended.load(Ordering::Relaxed) {
        match echo.echo(payload.clone()).await {
            Ok(answer) if answer.len() != payload.len() => {
                return Err("an echo of another length".into());
            }
            Ok(_) => {
                tally.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(failure) => {
                tally.failed.fetch_add(1, Ordering::Relaxed);
                tally.first_failure.get_or_init(|| failure.to_string());
                // A call may fail without having waited for anything. The others go on nevertheless.
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(())
}
