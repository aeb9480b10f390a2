//! Queued jobs: what an engine must do ([`Queue`]), the engine in memory, and the worker that runs the jobs of
//! one queue. Knows nothing of links, frames or how a job's payload is encoded.

mod memory;
mod state;
mod worker;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::id::{InstanceId, JobId};

pub use memory::MemoryQueue;
pub(crate) use worker::{JobOutcome, RunJob, Worker, WorkerOptions};

/// Names one queue of an engine: the jobs of one queued command.
///
/// ```
/// use mesh_runtime::QueueName;
/// let name = QueueName {
///     mesh: "Shop".into(),
///     node_type: "Billing".into(),
///     command: "reindex".into(),
///     instance: Some("billing-1".into()),
/// };
/// assert_eq!(name.to_string(), "Shop/Billing.reindex@billing-1");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct QueueName {
    /// The mesh, as in the schema.
    pub mesh: Arc<str>,
    /// The node type that works the jobs off, as in the schema.
    pub node_type: Arc<str>,
    /// The command, as in the schema.
    pub command: Arc<str>,
    /// The instance that the queue belongs to (`queued broadcast`), or none if all instances of the node type
    /// share it (`queued balanced`).
    pub instance: Option<InstanceId>,
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.mesh, self.node_type, self.command)?;
        match &self.instance {
            Some(instance) => write!(f, "@{instance}"),
            None => Ok(()),
        }
    }
}

/// A job that is to be queued.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewJob {
    /// What the handler will get, encoded.
    pub payload: Bytes,
    /// The job is not run before this time. None, or a time that has passed: as soon as it is its turn.
    pub not_before: Option<SystemTime>,
}

impl NewJob {
    /// A job that runs as soon as it is its turn.
    pub fn new(payload: impl Into<Bytes>) -> Self {
        Self {
            payload: payload.into(),
            not_before: None,
        }
    }

    /// The same job, not to be run before `time`.
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.not_before = Some(time);
        self
    }
}

/// A job that has been leased: whoever holds it runs it, and then says how it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    /// Stable over all attempts.
    pub id: JobId,
    /// What the handler gets, encoded.
    pub payload: Bytes,
    /// Which attempt this is. The first is 1.
    pub attempt: u32,
    /// When the engine accepted the job.
    pub enqueued_at: SystemTime,
}

/// What becomes of a job that has failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It waits this long and is then leased again, with a higher attempt.
    Retry {
        /// How long it waits. A span and no point in time, so that a clock that is set meanwhile does no harm.
        after: Duration,
    },
    /// It goes to the dead letters.
    Dead,
}

/// A job that is not tried again by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// The job.
    pub job_id: JobId,
    /// What its handler got, encoded.
    pub payload: Bytes,
    /// The error of the last attempt.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the engine accepted the job.
    pub enqueued_at: SystemTime,
    /// When it came to the dead letters.
    pub died_at: SystemTime,
}

/// How full a queue is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueStats {
    /// Jobs that could run now.
    pub waiting: u64,
    /// Jobs that are leased.
    pub running: u64,
    /// Jobs whose time has not come: delayed ones, and failed ones in their backoff.
    pub delayed: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long ago the oldest of the waiting jobs was accepted. None if none waits.
    pub oldest_age: Option<Duration>,
}

/// Why an engine did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue holds as many jobs as it may. Send less, or let more instances work them off.
    #[error("the queue is full: it holds {limit} jobs")]
    Full {
        /// The most jobs that it holds.
        limit: u64,
    },
    /// The payloads would take more room than the queue has. Send less or smaller jobs, or raise the limit.
    #[error("the queue is full: its payloads may take {limit} bytes")]
    FullBytes {
        /// The most bytes that the payloads may take.
        limit: u64,
    },
    /// The job is not leased (any more): it was completed, failed or given back, or its lease ran out.
    #[error("job {job} is not leased")]
    NotLeased {
        /// The job.
        job: JobId,
    },
    /// The engine failed.
    #[error("the queue's engine failed: {0}")]
    Engine(
        /// What it says.
        String,
    ),
    /// The engine has been shut down and will not come back.
    #[error("the queue's engine has been shut down")]
    Closed,
}

/// What every operation of a [`Queue`] returns.
pub type QueueFuture<'a, T> = BoxFuture<'a, Result<T, QueueError>>;

/// An engine that keeps jobs: [`MemoryQueue`], or one that outlives the process. One engine serves many queues,
/// told apart by their [`QueueName`]; a queue comes into being with its first job.
///
/// What every engine guarantees:
/// - A job whose [`enqueue`](Queue::enqueue) was answered `Ok` is leased at least once, as long as the engine
///   itself lives.
/// - Jobs are leased in the order in which they became ready to run.
/// - A leased job stays with its holder until [`complete`](Queue::complete), [`fail`](Queue::fail) or
///   [`release`](Queue::release). Where leases can run out, the engine renews them by itself.
/// - Jobs and dead letters are bounded. Where there are too many dead letters the oldest goes, with a warning in
///   the log.
/// - Every operation but [`lease`](Queue::lease) ends by itself within seconds, if need be with an error.
pub trait Queue: Send + Sync + 'static {
    /// Whether jobs outlive this process. If not, a node that shuts down works off what waits, within its grace;
    /// if so, it gives back what it has leased and leaves the rest to others.
    fn is_durable(&self) -> bool;

    /// Accepts a job. It is safe with the engine once this is `Ok`. When dropped before its end, the job may have
    /// been accepted or not.
    ///
    /// # Errors
    /// [`QueueError::Full`] and [`QueueError::FullBytes`] at the bounds; whatever befalls the engine.
    fn enqueue<'a>(&'a self, queue: &'a QueueName, job: NewJob) -> QueueFuture<'a, JobId>;

    /// Waits for jobs and leases at least one and at most `max` of them (with a `max` of 0 none, at once).
    /// Has no deadline of its own. Cancel safe: when dropped before its end, no job is lost or left leased.
    ///
    /// # Errors
    /// Whatever befalls the engine; it can be asked again, but for [`QueueError::Closed`].
    fn lease<'a>(&'a self, queue: &'a QueueName, max: usize) -> QueueFuture<'a, Vec<Job>>;

    /// Ends a leased job that has done its work.
    ///
    /// # Errors
    /// [`QueueError::NotLeased`]; whatever befalls the engine: the job may then run again.
    fn complete<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()>;

    /// Ends an attempt that has failed with the text `error`.
    ///
    /// # Errors
    /// [`QueueError::NotLeased`]; whatever befalls the engine: the job may then run again.
    fn fail<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        error: String,
        failure: Failure,
    ) -> QueueFuture<'a, ()>;

    /// Gives a leased job back as if it had never been leased: it is the next to be leased, and this attempt does
    /// not count.
    ///
    /// # Errors
    /// [`QueueError::NotLeased`]; whatever befalls the engine.
    fn release<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()>;

    /// How full the queue is. All zero if it has never had a job.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn stats<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, QueueStats>;

    /// The oldest dead letters, at most `max` of them, the oldest first.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        max: usize,
    ) -> QueueFuture<'a, Vec<DeadLetter>>;

    /// Puts a dead letter back into the queue under the same job id, its attempts counted from 1 again. `false` if
    /// there is no such dead letter.
    ///
    /// # Errors
    /// [`QueueError::Full`] and [`QueueError::FullBytes`]: it then stays where it is; whatever befalls the engine.
    fn requeue<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool>;

    /// Throws a dead letter away for good. `false` if there is no such dead letter.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn purge<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool>;
}

/// A shared engine: for several nodes of one process, or to look into it while a node works it off.
impl<Q: Queue + ?Sized> Queue for Arc<Q> {
    fn is_durable(&self) -> bool {
        (**self).is_durable()
    }

    fn enqueue<'a>(&'a self, queue: &'a QueueName, job: NewJob) -> QueueFuture<'a, JobId> {
        (**self).enqueue(queue, job)
    }

    fn lease<'a>(&'a self, queue: &'a QueueName, max: usize) -> QueueFuture<'a, Vec<Job>> {
        (**self).lease(queue, max)
    }

    fn complete<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        (**self).complete(queue, job)
    }

    fn fail<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        error: String,
        failure: Failure,
    ) -> QueueFuture<'a, ()> {
        (**self).fail(queue, job, error, failure)
    }

    fn release<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        (**self).release(queue, job)
    }

    fn stats<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, QueueStats> {
        (**self).stats(queue)
    }

    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        max: usize,
    ) -> QueueFuture<'a, Vec<DeadLetter>> {
        (**self).dead_letters(queue, max)
    }

    fn requeue<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool> {
        (**self).requeue(queue, job)
    }

    fn purge<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool> {
        (**self).purge(queue, job)
    }
}
