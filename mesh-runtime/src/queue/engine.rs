//! What an engine must do that keeps jobs.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Enqueued, Failure, Job, NewJob, QueueError, QueueName, QueueStats, StoredDeadLetter};
use crate::id::JobId;

/// What every operation of a [`Queue`] returns.
pub type QueueFuture<'a, T> = BoxFuture<'a, Result<T, QueueError>>;

/// An engine that keeps jobs: [`MemoryQueue`](crate::MemoryQueue), or one that outlives the process, such as
/// `RedisQueue`. One engine serves many queues, told apart by their [`QueueName`]; a queue comes into being with its
/// first job. Nodes use it by themselves; see [`CommandQueue`](crate::CommandQueue) for looking into a queue.
///
/// What every engine guarantees:
/// - A job whose [`enqueue`](Queue::enqueue) was answered `Ok` is leased at least once, as long as the engine
///   itself lives.
/// - Jobs are leased in the order in which they became ready to run.
/// - A leased job stays with its holder until [`complete`](Queue::complete), [`fail`](Queue::fail) or
///   [`release`](Queue::release). Where leases can run out, the engine renews them by itself.
/// - Jobs, deduplication keys and dead letters are bounded. Where there are too many dead letters the oldest goes, with
///   a warning in the log. The queues of a command's instances share their dead letters.
/// - Every operation but [`lease`](Queue::lease) and [`orphans`](Queue::orphans) ends by itself, if need be with an error: those that end an attempt
///   within the time of a lease, all others within seconds.
pub trait Queue: Send + Sync + 'static {
    /// Whether jobs outlive this process. If not, a node that shuts down works off what waits, within its grace;
    /// if so, it gives back what it has leased and leaves the rest to others. What a durable engine is given, a node
    /// has sealed.
    fn is_durable(&self) -> bool;

    /// Accepts a job. It is safe with the engine once this is `Ok`. When dropped before its end, the job may have
    /// been accepted or not.
    ///
    /// # Errors
    /// Those of [`QueueError::is_full`] at the bounds; whatever befalls the engine.
    fn enqueue<'a>(&'a self, queue: &'a QueueName, job: NewJob) -> QueueFuture<'a, Enqueued>;

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

    /// Ends an attempt that has failed with `error`.
    ///
    /// # Errors
    /// [`QueueError::NotLeased`]; whatever befalls the engine: the job may then run again.
    fn fail<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        error: Bytes,
        failure: Failure,
    ) -> QueueFuture<'a, ()>;

    /// Gives a leased job back as if it had never been leased: it is leased again as soon as there is room, and this
    /// attempt does not count.
    ///
    /// # Errors
    /// [`QueueError::NotLeased`]; whatever befalls the engine.
    fn release<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()>;

    /// Says that this process leases no more jobs of the queue, until it does so again. What it has leased must have
    /// been ended or given back. Nothing to do for most engines.
    ///
    /// # Errors
    /// Whatever befalls the engine; nothing depends on it.
    fn leave<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        let _ = queue;
        Box::pin(async { Ok(()) })
    }

    /// Waits for queues of other instances of the command that nobody has worked on for long: they are the caller's to
    /// empty from now on, as long as it leases from them. Has no deadline of its own, and waits for ever where the engine
    /// does not outlive the process. Cancel safe.
    ///
    /// # Errors
    /// Whatever befalls the engine; it can be asked again.
    fn orphans<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, Vec<QueueName>> {
        let _ = queue;
        Box::pin(std::future::pending())
    }

    /// How full the queue is. All zero if it has never had a job.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn stats<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, QueueStats>;

    /// Leases no more jobs to anybody until [`resume`](Queue::resume). Jobs are still accepted, and those that are
    /// leased go on. A durable engine stays paused over restarts.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn pause<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()>;

    /// Undoes [`pause`](Queue::pause).
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn resume<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()>;

    /// The oldest dead letters of all instances of the command, at most `max` of them, the oldest first.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        max: usize,
    ) -> QueueFuture<'a, Vec<StoredDeadLetter>>;

    /// One dead letter of the command.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn dead_letter<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
    ) -> QueueFuture<'a, Option<StoredDeadLetter>>;

    /// Puts a dead letter into this queue, whichever instance it came from, under the same job id, with this payload,
    /// and with its attempts counted from 1 again. `false` if there is no such dead letter.
    ///
    /// # Errors
    /// Those of [`QueueError::is_full`]: it then stays where it is; whatever befalls the engine.
    fn requeue<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
        payload: Bytes,
    ) -> QueueFuture<'a, bool>;

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

    fn enqueue<'a>(&'a self, queue: &'a QueueName, job: NewJob) -> QueueFuture<'a, Enqueued> {
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
        error: Bytes,
        failure: Failure,
    ) -> QueueFuture<'a, ()> {
        (**self).fail(queue, job, error, failure)
    }

    fn release<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        (**self).release(queue, job)
    }

    fn leave<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        (**self).leave(queue)
    }

    fn orphans<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, Vec<QueueName>> {
        (**self).orphans(queue)
    }

    fn stats<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, QueueStats> {
        (**self).stats(queue)
    }

    fn pause<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        (**self).pause(queue)
    }

    fn resume<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        (**self).resume(queue)
    }

    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        max: usize,
    ) -> QueueFuture<'a, Vec<StoredDeadLetter>> {
        (**self).dead_letters(queue, max)
    }

    fn dead_letter<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
    ) -> QueueFuture<'a, Option<StoredDeadLetter>> {
        (**self).dead_letter(queue, job)
    }

    fn requeue<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
        payload: Bytes,
    ) -> QueueFuture<'a, bool> {
        (**self).requeue(queue, job, payload)
    }

    fn purge<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool> {
        (**self).purge(queue, job)
    }
}
