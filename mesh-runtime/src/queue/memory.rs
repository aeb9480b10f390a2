//! The engine that keeps jobs in memory. Guards the pure state of its queues with one lock, and wakes those who
//! wait for jobs. Knows nothing of who runs them.

use std::{
    collections::HashMap,
    future::pending,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    DeadLetter, Failure, Job, NewJob, Queue, QueueFuture, QueueName, QueueStats,
    state::{Limits, QueueState, later},
};
use crate::id::JobId;

/// Keeps jobs in the memory of the process, and is the default.
///
/// **What it holds is lost with the process**, also when that crashes; a node that shuts down works off what
/// waits, within its grace, and reports what is left. Each queue holds [`MemoryQueue::MAX_JOBS`] jobs with
/// [`MemoryQueue::MAX_BYTES`] of payload unless set otherwise, counting those that are delayed or running, and
/// [`MemoryQueue::MAX_DEAD`] dead letters with as many bytes again.
///
/// ```
/// use mesh_runtime::{MemoryQueue, NewJob, Queue, QueueError, QueueName};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), QueueError> {
/// let queue = MemoryQueue::new().max_jobs(1);
/// let name = QueueName {
///     mesh: "Shop".into(),
///     node_type: "Billing".into(),
///     command: "export".into(),
///     instance: None,
/// };
/// let id = queue.enqueue(&name, NewJob::new("today")).await?;
/// let full = queue.enqueue(&name, NewJob::new("tomorrow")).await;
/// assert_eq!(full, Err(QueueError::Full { limit: 1 }));
///
/// let jobs = queue.lease(&name, 10).await?;
/// assert_eq!(jobs[0].id, id);
/// queue.complete(&name, &jobs[0]).await?;
/// # Ok(())
/// # }
/// ```
pub struct MemoryQueue {
    limits: Limits,
    /// Tells the job ids of this engine from those of others.
    id_prefix: u64,
    next_id: AtomicU64,
    queues: Mutex<HashMap<QueueName, Shelf>>,
}

/// One queue, and the bell for those who wait for its jobs.
#[derive(Default)]
struct Shelf {
    state: QueueState,
    changed: Arc<Notify>,
}

impl MemoryQueue {
    /// The most jobs of a queue unless set otherwise.
    pub const MAX_JOBS: usize = 10_000;
    /// The most bytes of payload of a queue unless set otherwise: 64 MiB.
    pub const MAX_BYTES: usize = 64 * 1024 * 1024;
    /// The most dead letters of a queue.
    pub const MAX_DEAD: usize = 1_000;

    /// An empty engine with the default limits.
    pub fn new() -> Self {
        Self {
            limits: Limits {
                jobs: Self::MAX_JOBS,
                bytes: Self::MAX_BYTES,
                dead: Self::MAX_DEAD,
            },
            id_prefix: rand::random(),
            next_id: AtomicU64::new(1),
            queues: Mutex::default(),
        }
    }

    /// The most jobs that each queue holds, those that are delayed or running included.
    pub fn max_jobs(mut self, jobs: usize) -> Self {
        self.limits.jobs = jobs;
        self
    }

    /// The most bytes that the payloads of each queue's jobs take. The payloads of its dead letters may take as
    /// much again.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
        self
    }

    fn new_id(&self) -> JobId {
        let number = self.next_id.fetch_add(1, Ordering::Relaxed);
        JobId::new(format!("{:016x}-{number}", self.id_prefix))
    }

    /// Runs `act` on the queue, under the lock.
    fn with<T>(&self, queue: &QueueName, act: impl FnOnce(&mut Shelf) -> T) -> T {
        // No act panics halfway through a change, so the state is sound even behind a poisoned lock.
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        match queues.get_mut(queue) {
            Some(shelf) => act(shelf),
            None => act(queues.entry(queue.clone()).or_default()),
        }
    }

    /// The same, for changes after which there may be something to lease, or something to wait for.
    fn change<T>(&self, queue: &QueueName, act: impl FnOnce(&mut QueueState) -> T) -> T {
        self.with(queue, |shelf| {
            let result = act(&mut shelf.state);
            shelf.changed.notify_waiters();
            result
        })
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
    fn is_durable(&self) -> bool {
        false
    }

    fn enqueue<'a>(&'a self, queue: &'a QueueName, job: NewJob) -> QueueFuture<'a, JobId> {
        Box::pin(async move {
            let id = self.new_id();
            let wall = SystemTime::now();
            let due = job
                .not_before
                .and_then(|at| at.duration_since(wall).ok())
                .map(|delay| later(Instant::now(), delay));
            self.change(queue, |state| {
                state.enqueue(id.clone(), job.payload, wall, due, &self.limits)
            })?;
            Ok(id)
        })
    }

    fn lease<'a>(&'a self, queue: &'a QueueName, max: usize) -> QueueFuture<'a, Vec<Job>> {
        Box::pin(async move {
            if max == 0 {
                return Ok(Vec::new());
            }
            let changed = self.with(queue, |shelf| shelf.changed.clone());
            loop {
                // Listen first and look then: a job that comes in between rings the bell.
                let mut bell = pin!(changed.notified());
                bell.as_mut().enable();
                let (jobs, next_due) = self.with(queue, |shelf| {
                    let jobs = shelf.state.lease(max, Instant::now());
                    (jobs, shelf.state.next_due())
                });
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
        Box::pin(async move { self.with(queue, |shelf| shelf.state.complete(&job.id)) })
    }

    fn fail<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        error: String,
        failure: Failure,
    ) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            let now = Instant::now();
            let wall = SystemTime::now();
            let dropped = self.change(queue, |state| {
                state.fail(&job.id, error, failure, now, wall, &self.limits)
            })?;
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

    fn stats<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, QueueStats> {
        Box::pin(async move {
            let (now, wall) = (Instant::now(), SystemTime::now());
            Ok(self.with(queue, |shelf| shelf.state.stats(now, wall)))
        })
    }

    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        max: usize,
    ) -> QueueFuture<'a, Vec<DeadLetter>> {
        Box::pin(async move { Ok(self.with(queue, |shelf| shelf.state.dead_letters(max))) })
    }

    fn requeue<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool> {
        Box::pin(async move { self.change(queue, |state| state.requeue(job, &self.limits)) })
    }

    fn purge<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool> {
        Box::pin(async move { Ok(self.with(queue, |shelf| shelf.state.purge(job))) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    fn name(command: &str) -> QueueName {
        QueueName {
            mesh: "Shop".into(),
            node_type: "Billing".into(),
            command: command.into(),
            instance: None,
        }
    }

    #[tokio::test]
    async fn queues_of_one_engine_are_apart() {
        let queue = MemoryQueue::new();
        let mut of_one_instance = name("a");
        of_one_instance.instance = Some("billing-1".into());
        let a = queue.enqueue(&name("a"), NewJob::new("1")).await.unwrap();
        let b = queue
            .enqueue(&of_one_instance, NewJob::new("2"))
            .await
            .unwrap();
        assert_ne!(a, b);
        assert_eq!(queue.lease(&name("a"), 9).await.unwrap()[0].id, a);
        assert_eq!(queue.lease(&of_one_instance, 9).await.unwrap()[0].id, b);
    }

    #[tokio::test]
    async fn a_lease_waits_until_there_is_a_job() {
        let queue = MemoryQueue::new();
        let name = name("a");
        let (jobs, id) = tokio::join!(
            queue.lease(&name, 9),
            queue.enqueue(&name, NewJob::new("x"))
        );
        assert_eq!(jobs.unwrap()[0].id, id.unwrap());
    }

    #[tokio::test]
    async fn a_dropped_lease_loses_no_job() {
        let queue = MemoryQueue::new();
        let name = name("a");
        let mut dropped = queue.lease(&name, 9);
        let mut kept = queue.lease(&name, 9);
        assert!((&mut dropped).now_or_never().is_none());
        assert!((&mut kept).now_or_never().is_none());
        let id = queue.enqueue(&name, NewJob::new("x")).await.unwrap();
        // It has been woken, but not polled since.
        drop(dropped);
        assert_eq!(queue.stats(&name).await.unwrap().running, 0);
        assert_eq!(kept.await.unwrap()[0].id, id);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_waits_for_a_delayed_job_and_sees_an_earlier_one_come() {
        let queue = MemoryQueue::new();
        let name = name("a");
        let in_secs = |s| SystemTime::now() + Duration::from_secs(s);
        let late = NewJob::new("late").not_before(in_secs(3_600));
        let soon = NewJob::new("soon").not_before(in_secs(60));
        let start = Instant::now();
        queue.enqueue(&name, late).await.unwrap();
        let mut lease = queue.lease(&name, 9);
        assert!((&mut lease).now_or_never().is_none());
        queue.enqueue(&name, soon).await.unwrap();
        assert_eq!(lease.await.unwrap()[0].payload, "soon");
        assert!(start.elapsed() < Duration::from_secs(3_000));
        assert_eq!(queue.lease(&name, 9).await.unwrap()[0].payload, "late");
    }

    #[tokio::test]
    async fn a_time_that_has_passed_delays_nothing() {
        let queue = MemoryQueue::new();
        let name = name("a");
        let job = NewJob::new("x").not_before(SystemTime::UNIX_EPOCH);
        queue.enqueue(&name, job).await.unwrap();
        assert_eq!(queue.stats(&name).await.unwrap().waiting, 1);
    }
}
