//! What an engine must do that keeps jobs: [`Queue`] is what nodes use, [`QueueAdmin`] what operators use.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{
    Enqueued, Failure, Job, JobState, NewJob, QueueError, QueueName, QueueStats, StoredDeadLetter,
    StoredJob,
};
use crate::id::JobId;

/// What every operation of a [`Queue`] and a [`QueueAdmin`] returns.
pub type QueueFuture<'a, T> = BoxFuture<'a, Result<T, QueueError>>;

/// An engine that keeps jobs: [`MemoryQueue`](crate::queue::MemoryQueue), or one that outlives the process, such as
/// `RedisQueue`. One engine serves many queues, told apart by their [`QueueName`]; a queue comes into being with its
/// first job. Nodes use it by themselves; see [`CommandQueue`](crate::queue::CommandQueue) for looking into a queue.
///
/// What every engine guarantees:
/// - A job whose [`enqueue`](Queue::enqueue) was answered `Ok` is leased at least once, as long as the engine
///   itself lives, unless it is [removed](QueueAdmin::remove).
/// - Jobs are leased in the order in which they became ready to run.
/// - A leased job stays with its holder until [`complete`](Queue::complete), [`fail`](Queue::fail),
///   [`release`](Queue::release) or
///   [`set_aside`](Queue::set_aside). Where leases can run out, the engine renews them by itself.
/// - Jobs, deduplication keys and dead letters are bounded. Where there are too many dead letters the oldest goes, with
///   a warning in the log. The queues of a command's instances share their dead letters.
/// - Every operation but [`lease`](Queue::lease) and [`orphans`](Queue::orphans) ends by itself, if need be with an
///   error: those that end an attempt within the time of a lease, all others within seconds.
///
/// An engine of your own is held to these by `mesh_runtime::testing::queue_conformance` (feature `testing`).
pub trait Queue: Send + Sync + 'static {
    /// The same engine, for looking at its queues and steering them.
    fn admin(&self) -> &dyn QueueAdmin;

    /// Whether jobs outlive this process. If not, a node that shuts down still runs what waits, within its grace;
    /// if so, it gives back what it has leased and leaves the rest to others. A node seals what it gives to a durable
    /// engine.
    fn is_durable(&self) -> bool;

    /// Whether processes that use the same store share its queues. Then a full queue is full for all of them, and a
    /// caller that hears so does not try another instance. The default implementation says no.
    fn is_shared(&self) -> bool {
        false
    }

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

    /// Gives a leased job back that this process cannot run, so that another may: it is not leased for `wait`, and this
    /// attempt does not count. The engine notes when it was first set aside, and tells so with each further lease, in
    /// [`Job::set_aside_since`], until an attempt of it [fails](Queue::fail).
    ///
    /// # Errors
    /// [`QueueError::NotLeased`]; whatever befalls the engine.
    fn set_aside<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        wait: Duration,
    ) -> QueueFuture<'a, ()>;

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
}

/// What operators do with the queues of an engine: look at them, pause them, and deal with single jobs and dead letters.
/// Every operation ends within seconds, and is cancel safe in that what was asked is then done or not.
pub trait QueueAdmin: Send + Sync + 'static {
    /// How full the queue is. All zero if it has never had a job.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn stats<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, QueueStats>;

    /// Leases no more jobs to anybody until [`resume`](QueueAdmin::resume). Jobs are still accepted, and those that are
    /// leased go on. A durable engine stays paused over restarts.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn pause<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()>;

    /// Undoes [`pause`](QueueAdmin::pause).
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn resume<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()>;

    /// Jobs of the queue in that state, at most `max` of them: waiting ones in the order in which they are leased,
    /// delayed ones in the order in which they are due, running ones in any order. Jobs that change their state
    /// meanwhile may be left out.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn jobs<'a>(
        &'a self,
        queue: &'a QueueName,
        state: JobState,
        max: usize,
    ) -> QueueFuture<'a, Vec<StoredJob>>;

    /// One job of the queue that waits, runs or is delayed. An engine may have to look at all of them for it.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn job<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
    ) -> QueueFuture<'a, Option<StoredJob>>;

    /// Throws a job away for good that waits or is delayed. `false` if there is no such job, or if it is leased: it then
    /// goes on. Its deduplication key is still remembered.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    fn remove<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool>;

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
