//! The engine that keeps jobs in memory. Guards the pure state of its queues with one lock, and wakes those who
//! wait for jobs. Knows nothing of who runs them.

use std::{
    collections::HashMap,
    future::pending,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    Enqueued, Failure, Job, NewJob, Queue, QueueError, QueueFuture, QueueName, QueueStats,
    StoredDeadLetter,
    dead::DeadLetters,
    state::{QueueLimits, QueueState},
};
use crate::id::JobId;

/// Keeps jobs in the memory of the process, and is the default.
///
/// **What it holds is lost with the process**, also when that crashes; a node that shuts down works off what
/// waits, within its grace, and reports what is left. Each queue holds [`MemoryQueue::MAX_JOBS`] jobs with
/// [`MemoryQueue::MAX_BYTES`] of payload unless set otherwise, counting those that are delayed or running, and
/// remembers sixteen deduplication keys for each job that it may hold. Each command has [`MemoryQueue::MAX_DEAD`] dead
/// letters with as many bytes again, those of all instances that share the engine together.
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
    books: Mutex<Books>,
}

/// Everything that the engine keeps.
#[derive(Default)]
struct Books {
    queues: HashMap<QueueName, MemoryEntry>,
    /// Those of each command, under the name that its queues share.
    dead: HashMap<QueueName, DeadLetters>,
}

/// One queue, and the bell for those who wait for its jobs.
#[derive(Default)]
struct MemoryEntry {
    state: QueueState,
    changed: Arc<Notify>,
}

impl Books {
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
    /// The most dead letters of a command.
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
            books: Mutex::default(),
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

    fn books(&self) -> MutexGuard<'_, Books> {
        // Nothing panics halfway through a change, so the books are sound even behind a poisoned lock.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a queue, after which there may be something to lease, or something to wait for.
    fn change<T>(&self, queue: &QueueName, act: impl FnOnce(&mut QueueState) -> T) -> T {
        let mut books = self.books();
        let entry = books.entry(queue);
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
            let changed = Arc::clone(&self.books().entry(queue).changed);
            loop {
                // Listen first and look then: a job that comes in between rings the bell.
                let mut bell = pin!(changed.notified());
                bell.as_mut().enable();
                let (jobs, next_due) = {
                    let mut books = self.books();
                    let state = &mut books.entry(queue).state;
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
        Box::pin(async move { self.books().entry(queue).state.complete(&job.id) })
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
            let mut books = self.books();
            let entry = books.entry(queue);
            let ended = entry.state.fail(&job.id, failure, Instant::now())?;
            entry.changed.notify_waiters();
            let Some(ended) = ended else { return Ok(()) };
            let letter = StoredDeadLetter {
                job_id: job.id.clone(),
                queue: queue.clone(),
                payload: ended.payload,
                error,
                attempts: job.attempt,
                enqueued_at: ended.enqueued_at,
                died_at: SystemTime::now(),
            };
            let dead = books.dead.entry(queue.shared()).or_default();
            let dropped = dead.bury(letter, &self.limits);
            drop(books);
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
            let mut books = self.books();
            let dead = books.dead.get(&queue.shared()).map_or(0, DeadLetters::len);
            let state = &mut books.entry(queue).state;
            Ok(QueueStats {
                dead: dead as u64,
                ..state.stats(Instant::now(), SystemTime::now())
            })
        })
    }

    fn pause<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            self.change(queue, |state| state.set_paused(true));
            Ok(())
        })
    }

    fn resume<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            self.change(queue, |state| state.set_paused(false));
            Ok(())
        })
    }

    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        max: usize,
    ) -> QueueFuture<'a, Vec<StoredDeadLetter>> {
        Box::pin(async move {
            let books = self.books();
            let dead = books.dead.get(&queue.shared());
            Ok(dead.map(|dead| dead.oldest(max)).unwrap_or_default())
        })
    }

    fn dead_letter<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
    ) -> QueueFuture<'a, Option<StoredDeadLetter>> {
        Box::pin(async move {
            let books = self.books();
            let dead = books.dead.get(&queue.shared());
            Ok(dead.and_then(|dead| dead.get(job)).cloned())
        })
    }

    fn requeue<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
        payload: Bytes,
    ) -> QueueFuture<'a, bool> {
        Box::pin(async move { self.books().requeue(queue, job, payload, &self.limits) })
    }

    fn purge<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool> {
        Box::pin(async move {
            let mut books = self.books();
            let dead = books.dead.get_mut(&queue.shared());
            Ok(dead.and_then(|dead| dead.take(job)).is_some())
        })
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

    async fn enqueue(engine: &MemoryQueue, queue: &QueueName, payload: &'static str) -> JobId {
        let accepted = engine.enqueue(queue, NewJob::new(payload)).await.unwrap();
        assert!(!accepted.duplicate);
        accepted.job_id
    }

    /// Queues a job and buries it.
    async fn bury(engine: &MemoryQueue, queue: &QueueName, payload: &'static str) -> JobId {
        enqueue(engine, queue, payload).await;
        let job = engine.lease(queue, 1).await.unwrap().remove(0);
        engine
            .fail(queue, &job, "no".into(), Failure::Dead)
            .await
            .unwrap();
        job.id
    }

    #[tokio::test]
    async fn queues_of_one_engine_are_apart() {
        let engine = MemoryQueue::new();
        let of_one_instance = name("a").of("billing-1");
        let a = enqueue(&engine, &name("a"), "1").await;
        let b = enqueue(&engine, &of_one_instance, "2").await;
        assert_ne!(a, b);
        assert_eq!(engine.lease(&name("a"), 9).await.unwrap()[0].id, a);
        assert_eq!(engine.lease(&of_one_instance, 9).await.unwrap()[0].id, b);
    }

    #[tokio::test]
    async fn a_lease_waits_until_there_is_a_job() {
        let engine = MemoryQueue::new();
        let name = name("a");
        let (jobs, id) = tokio::join!(engine.lease(&name, 9), enqueue(&engine, &name, "x"));
        assert_eq!(jobs.unwrap()[0].id, id);
    }

    #[tokio::test]
    async fn a_dropped_lease_loses_no_job() {
        let engine = MemoryQueue::new();
        let name = name("a");
        let mut dropped = engine.lease(&name, 9);
        let mut kept = engine.lease(&name, 9);
        assert!((&mut dropped).now_or_never().is_none());
        assert!((&mut kept).now_or_never().is_none());
        let id = enqueue(&engine, &name, "x").await;
        // It has been woken, but not polled since.
        drop(dropped);
        assert_eq!(engine.stats(&name).await.unwrap().running, 0);
        assert_eq!(kept.await.unwrap()[0].id, id);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_waits_for_a_delayed_job_and_sees_an_earlier_one_come() {
        let engine = MemoryQueue::new();
        let name = name("a");
        let late = NewJob::new("late").at(SystemTime::now() + Duration::from_secs(3_600));
        let soon = NewJob::new("soon").delay(Duration::from_secs(60));
        let start = Instant::now();
        engine.enqueue(&name, late).await.unwrap();
        let mut lease = engine.lease(&name, 9);
        assert!((&mut lease).now_or_never().is_none());
        engine.enqueue(&name, soon).await.unwrap();
        assert_eq!(lease.await.unwrap()[0].payload, "soon");
        assert!(start.elapsed() < Duration::from_secs(3_000));
        assert_eq!(engine.lease(&name, 9).await.unwrap()[0].payload, "late");
    }

    #[tokio::test]
    async fn a_time_that_has_passed_delays_nothing() {
        let engine = MemoryQueue::new();
        let name = name("a");
        let job = NewJob::new("x").at(SystemTime::UNIX_EPOCH);
        engine.enqueue(&name, job).await.unwrap();
        assert_eq!(engine.stats(&name).await.unwrap().waiting, 1);
    }

    #[tokio::test]
    async fn a_lease_of_a_paused_queue_waits_until_that_is_resumed() {
        let engine = MemoryQueue::new();
        let name = name("a");
        engine.pause(&name).await.unwrap();
        let id = enqueue(&engine, &name, "x").await;
        let mut lease = engine.lease(&name, 9);
        assert!((&mut lease).now_or_never().is_none());
        assert!(engine.stats(&name).await.unwrap().paused);
        engine.resume(&name).await.unwrap();
        assert_eq!(lease.await.unwrap()[0].id, id);
    }

    #[tokio::test]
    async fn each_queue_remembers_its_own_keys() {
        let engine = MemoryQueue::new();
        let (one, other) = (name("a").of("1"), name("a").of("2"));
        let job = || NewJob::new("x").dedupe("k", Duration::MAX);
        let first = engine.enqueue(&one, job()).await.unwrap();
        let repeated = engine.enqueue(&one, job()).await.unwrap();
        assert_eq!((repeated.job_id, repeated.duplicate), (first.job_id, true));
        assert!(!engine.enqueue(&other, job()).await.unwrap().duplicate);
    }

    #[tokio::test]
    async fn a_queue_with_all_the_keys_it_may_have_is_full_for_jobs_with_another() {
        let engine = MemoryQueue::new().max_keys(1);
        let name = name("a");
        let keyed = |key| NewJob::new("x").dedupe(key, Duration::MAX);
        engine.enqueue(&name, keyed("one")).await.unwrap();
        let full = engine.enqueue(&name, keyed("two")).await.unwrap_err();
        assert_eq!(full, QueueError::FullKeys { limit: 1 });
        assert!(full.is_full());
        enqueue(&engine, &name, "without a key").await;
    }

    #[tokio::test]
    async fn the_instances_of_a_command_share_their_dead_letters() {
        let engine = MemoryQueue::new();
        let (one, other) = (name("a").of("1"), name("a").of("2"));
        let id = bury(&engine, &one, "x").await;
        bury(&engine, &name("b"), "of another command").await;
        for queue in [&one, &other, &name("a")] {
            let letters = engine.dead_letters(queue, 9).await.unwrap();
            assert_eq!(letters.len(), 1);
            let letter = &letters[0];
            assert_eq!((&letter.job_id, &letter.queue), (&id, &one));
            assert_eq!((&*letter.payload, &*letter.error), (&b"x"[..], &b"no"[..]));
            let alone = engine.dead_letter(queue, &id).await.unwrap();
            assert_eq!(alone.as_ref(), Some(letter));
            assert_eq!(engine.stats(queue).await.unwrap().dead, 1);
        }
    }

    #[tokio::test]
    async fn a_dead_letter_is_requeued_where_it_is_asked_for_and_wakes_a_lease() {
        let engine = MemoryQueue::new();
        let (one, other) = (name("a").of("1"), name("a").of("2"));
        let id = bury(&engine, &one, "x").await;
        let mut lease = engine.lease(&other, 9);
        assert!((&mut lease).now_or_never().is_none());
        assert_eq!(engine.requeue(&other, &id, "y".into()).await, Ok(true));
        assert_eq!(engine.requeue(&other, &id, "y".into()).await, Ok(false));
        let job = lease.await.unwrap().remove(0);
        assert_eq!((job.id, job.attempt), (id, 1));
        assert_eq!(job.payload, "y");
        assert_eq!(engine.stats(&one).await.unwrap(), QueueStats::default());
    }

    #[tokio::test]
    async fn a_dead_letter_stays_where_it_is_while_the_queue_is_full() {
        let engine = MemoryQueue::new().max_jobs(1);
        let name = name("a");
        let id = bury(&engine, &name, "dead").await;
        enqueue(&engine, &name, "x").await;
        let full = Err(QueueError::Full { limit: 1 });
        assert_eq!(engine.requeue(&name, &id, "dead".into()).await, full);
        assert!(engine.dead_letter(&name, &id).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_dead_letter_can_be_thrown_away_once() {
        let engine = MemoryQueue::new();
        let name = name("a");
        let id = bury(&engine, &name, "x").await;
        assert_eq!(engine.purge(&name, &id).await, Ok(true));
        assert_eq!(engine.purge(&name, &id).await, Ok(false));
        assert_eq!(engine.dead_letter(&name, &id).await, Ok(None));
        assert_eq!(engine.requeue(&name, &id, "x".into()).await, Ok(false));
    }
}
