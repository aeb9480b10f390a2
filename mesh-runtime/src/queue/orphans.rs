//! The jobs of instances that did not return. Watches for their queues and empties them: by the handler, or into the
//! dead letters. Owns the tasks that do so.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{JobOutcome, QueueName, RunJob, UntypedQueue, Worker, WorkerOptions};
use crate::{backoff::Backoff, repeating::Repeating, schema::Orphans};

/// Orphaned queues that are emptied at once. Others wait.
const AT_ONCE: usize = 4;
/// How often to check whether an orphaned queue is empty.
const LOOK: Duration = Duration::from_secs(1);
/// The pause after an engine failed to say whether there are any: full jitter, of a step that doubles from the first to
/// the longest.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// What becomes of the jobs of other instances.
#[derive(Clone)]
pub(crate) struct OrphanPolicy {
    pub(crate) orphans: Orphans,
    pub(crate) options: WorkerOptions,
    pub(crate) run: RunJob,
}

/// Watches until it is stopped or dropped.
pub(crate) struct OrphanWatch {
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl OrphanWatch {
    /// Watches for orphaned queues of the command of `own`. Must be called on a Tokio runtime.
    pub(crate) fn start(own: UntypedQueue, policy: OrphanPolicy, grace: Duration) -> Self {
        let stop = CancellationToken::new();
        let watch = watch(own, policy, grace, stop.clone());
        Self {
            task: tokio::spawn(watch),
            stop: stop.drop_guard(),
        }
    }

    /// Stops, and gives back what is under way after the grace.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        // A watch that broke down has stopped too.
        let _ = self.task.await;
    }
}

async fn watch(own: UntypedQueue, policy: OrphanPolicy, grace: Duration, stop: CancellationToken) {
    let mut adoptions = JoinSet::new();
    let mut backoff = Backoff::new(PAUSE, MAX_PAUSE);
    let mut repeating = Repeating::new();
    loop {
        let found = tokio::select! {
            () = stop.cancelled() => break,
            found = own.orphans() => found,
        };
        let found = match found {
            Ok(found) => {
                backoff.reset();
                repeating.reset();
                found
            }
            Err(error) => {
                if repeating.is_due(&error.to_string(), Instant::now()) {
                    tracing::warn!(queue = %own.name(), %error, "no orphaned queues could be looked for: trying again");
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = backoff.wait() => continue,
                }
            }
        };
        for orphan in found {
            while adoptions.len() >= AT_ONCE {
                adoptions.join_next().await;
            }
            adoptions.spawn(empty(own.of(orphan), policy.clone(), grace, stop.clone()));
        }
        while adoptions.try_join_next().is_some() {}
    }
    while adoptions.join_next().await.is_some() {}
}

/// Runs the jobs of an orphaned queue until it is empty.
async fn empty(
    orphan: UntypedQueue,
    policy: OrphanPolicy,
    grace: Duration,
    stop: CancellationToken,
) {
    tracing::warn!(
        queue = %orphan.name(),
        policy = ?policy.orphans,
        "the instance did not return: its jobs are seen to here"
    );
    let (options, run) = match policy.orphans {
        Orphans::Adopt => (policy.options, policy.run),
        Orphans::DeadLetter => (policy.options, bury(orphan.name())),
    };
    let worker = Worker::start(orphan.clone(), options, run);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(LOOK) => {}
        }
        if let Ok(stats) = orphan.stats().await
            && stats.waiting + stats.running + stats.delayed == 0
        {
            tracing::info!(queue = %orphan.name(), "the orphaned queue is empty");
            break;
        }
    }
    worker.stop(grace).await;
}

fn bury(orphan: &QueueName) -> RunJob {
    let whose = orphan
        .instance
        .as_ref()
        .map_or_else(String::new, |instance| format!(" `{instance}`"));
    let why =
        format!("its instance{whose} did not return in time: requeue it to have it run by another");
    Arc::new(move |_| {
        let why = why.clone();
        async move { JobOutcome::Unrun(why) }.boxed()
    })
}
