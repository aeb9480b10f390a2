//! The engine that keeps jobs in memory. Guards the pure state of its queues with one lock, and wakes those who
//! wait for jobs. Knows nothing of who runs them.

mod admin;
mod dead;
mod remembered_keys;
mod state;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    future::pending,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use self::{
    dead::DeadLetters,
    state::{QueueLimits, QueueState},
};
use super::{
    Enqueued, Failure, Job, NewJob, Queue, QueueAdmin, QueueError, QueueFuture, QueueName,
    StoredDeadLetter,
};
use crate::id::JobId;

/// Keeps jobs in the memory of the process, and is the default.
///
/// **What it holds is lost with the process**, also when that crashes; a node that shuts down still runs what
/// waits, within its grace, and reports what is left. Each queue holds [`MemoryQueue::MAX_JOBS`] jobs with
/// [`MemoryQueue::MAX_BYTES`] of payload unless set otherwise, counting those that are delayed or running, and
/// remembers sixteen deduplication keys for each job that it may hold. Each command has [`MemoryQueue::MAX_DEAD`] dead
/// letters with as many bytes again, those of all instances that share the engine together.
///
/// ```
/// use mesh_runtime::queue::{MemoryQueue, NewJob, Queue, QueueError, QueueName};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), QueueError> {
/// let queue = MemoryQueue::new().max_jobs(1);
/// let name = QueueName::new("Shop", "Billing", "export");
/// let accepted = queue.enqueue(&name, NewJob::new("today")).await?;
/// let full = queue.enqueue(&name, NewJob::new("tomorrow")).await;
/// assert_eq!(full, Err(QueueError::Full { limit: 1 }));
///
/// let jobs = queue.lease(&name, 10).await?;
/// assert_eq!(jobs[0].id, accepted.job_id);
/// queue.complete(&name, &jobs[0]).await?;
/// # Ok(())
/// # }
/// ```
pub struct MemoryQueue {
    limits: QueueLimits,
    contents: Mutex<Contents>,
}

/// Everything that the engine keeps.
#[derive(Default)]
struct Contents {
    queues: HashMap<QueueName, MemoryEntry>,
    /// Those of each command, under the name that its queues share.
    dead: HashMap<QueueName, DeadLetters>,
}

/// One queue, and the bell for those who wait for its jobs.
#[derive(Default)]
struct MemoryEntry {
    state: QueueState,
    changed: Arc<Notify>,
    /// Whoever holds it is the next to lease. First come, first served: so a worker that sets its jobs aside does not get
    /// the same ones each time they are due, while another waits.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Contents {
    fn entry(&mut self, queue: &QueueName) -> &mut MemoryEntry {
        self.queues.entry(queue.clone()).or_default()
    }

    /// The dead letter stays where it is unless the queue has room for it.
    fn requeue(
        &mut self,
        queue: &QueueName,
        job: &JobId,
        payload: Bytes,
        limits: &QueueLimits,
    ) -> Result<bool, QueueError> {
        let Some(dead) = self.dead.get_mut(&queue.shared()) else {
            return Ok(false);
        };
        if dead.get(job).is_none() {
            return Ok(false);
        }
        let entry = self.queues.entry(queue.clone()).or_default();
        entry.state.check_room(payload.len(), limits)?;
        let Some(letter) = dead.take(job) else {
            return Ok(false);
        };
        entry
            .state
            .put_back(letter.job_id, payload, letter.enqueued_at);
        entry.changed.notify_waiters();
        Ok(true)
    }
}

impl MemoryQueue {
    /// The most jobs of a queue unless set otherwise.
    pub const MAX_JOBS: usize = 10_000;
    /// The most bytes of payload of a queue unless set otherwise: 64 MiB.
    pub const MAX_BYTES: usize = 64 * 1024 * 1024;
    /// The most dead letters of a command unless set otherwise.
    pub const MAX_DEAD: usize = 1_000;

    /// An empty engine with the default limits.
    pub fn new() -> Self {
        Self {
            limits: QueueLimits {
                jobs: Self::MAX_JOBS,
                bytes: Self::MAX_BYTES,
                dead: Self::MAX_DEAD,
                keys: None,
            },
            contents: Mutex::default(),
        }
    }

    /// The most jobs that each queue holds, those that are delayed or running included.
    pub fn max_jobs(mut self, jobs: usize) -> Self {
        self.limits.jobs = jobs;
        self
    }

    /// The most bytes that the payloads of each queue's jobs take. The dead letters of its command, with their errors,
    /// may take as much again.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// The most deduplication keys that each queue remembers. Default: sixteen for each job that it may hold. A job
    /// with one more is refused until the window of another is over.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.limits.keys = Some(keys);
        self
    }

    /// The most dead letters of each command; beyond, the oldest go. Default: [`MemoryQueue::MAX_DEAD`].
    pub fn max_dead(mut self, letters: usize) -> Self {
        self.limits.dead = letters;
        self
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Nothing panics halfway through a change, so the contents are sound even behind a poisoned lock.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a queue, after which there may be something to lease, or something to wait for.
    fn change<T>(&self, queue: &QueueName, act: impl FnOnce(&mut QueueState) -> T) -> T {
        let mut contents = self.contents();
        let entry = contents.entry(queue);
        let result = act(&mut entry.state);
        entry.changed.notify_waiters();
        result
    }
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryQueue")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Queue for MemoryQueue {
    fn admin(&self) -> &dyn QueueAdmin {
        self
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn enqueue<'a>(&'a self, queue: &'a QueueName, job: NewJob) -> QueueFuture<'a, Enqueued> {
        Box::pin(async move {
            let (now, wall) = (Instant::now(), SystemTime::now());
            self.change(queue, |state| state.enqueue(job, now, wall, &self.limits))
        })
    }

    fn lease<'a>(&'a self, queue: &'a QueueName, max: usize) -> QueueFuture<'a, Vec<Job>> {
        Box::pin(async move {
            if max == 0 {
                return Ok(Vec::new());
            }
            let (changed, turn) = {
                let mut contents = self.contents();
                let entry = contents.entry(queue);
                (Arc::clone(&entry.changed), Arc::clone(&entry.turn))
            };
            let _turn = turn.lock().await;
            loop {
                // Listen first and look then: a job that comes in between rings the bell.
                let mut bell = pin!(changed.notified());
                bell.as_mut().enable();
                let (jobs, next_due) = {
                    let mut contents = self.contents();
                    let state = &mut contents.entry(queue).state;
                    (state.lease(max, Instant::now()), state.next_due())
                };
                if !jobs.is_empty() {
                    // Nothing is awaited between the lease and here: whoever drops this future loses no job.
                    return Ok(jobs);
                }
                let due = async {
                    match next_due {
                        Some(due) => sleep_until(due).await,
                        None => pending().await,
                    }
                };
                tokio::select! {
                    () = bell => {}
                    () = due => {}
                }
            }
        })
    }

    fn complete<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        Box::pin(async move { self.contents().entry(queue).state.complete(&job.id) })
    }

    fn fail<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        error: Bytes,
        failure: Failure,
    ) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            // All under one lock, so that a job is never in neither of the two.
            let mut contents = self.contents();
            let entry = contents.entry(queue);
            let ended = entry.state.fail(&job.id, failure, Instant::now())?;
            entry.changed.notify_waiters();
            let Some(ended) = ended else { return Ok(()) };
            let job = Job::new(
                job.id.clone(),
                ended.payload,
                job.attempt,
                ended.enqueued_at,
            );
            let letter = StoredDeadLetter::new(queue.clone(), job, error, SystemTime::now());
            let dead = contents.dead.entry(queue.shared()).or_default();
            let dropped = dead.bury(letter, &self.limits);
            drop(contents);
            if dropped > 0 {
                tracing::warn!(
                    %queue,
                    dropped,
                    "too many dead letters: the oldest were dropped"
                );
            }
            Ok(())
        })
    }

    fn release<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        Box::pin(async move { self.change(queue, |state| state.release(&job.id)) })
    }

    fn set_aside<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        wait: Duration,
    ) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            let (now, wall) = (Instant::now(), SystemTime::now());
            self.change(queue, |state| state.set_aside(&job.id, wait, now, wall))
        })
    }
}
