//! One queue of an engine as a node sees it: with its name, and with the seal of what is kept outside the process.

use std::{fmt, marker::PhantomData, sync::Arc, time::SystemTime};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{
    Enqueued, Failure, Job, NewJob, Queue, QueueError, QueueFuture, QueueName, QueueStats,
    StoredDeadLetter,
    seal::{Seal, SealKind},
};
use crate::{
    error::CodecError,
    id::{InstanceId, JobId},
    keys::DerivedKeys,
    wire::codec,
};

/// The queue of one queued command of a node: how full it is, its dead letters, pausing and resuming. From
/// [`Node::queues`](crate::Node::queues). `A` is the tuple of the command's arguments. Cheap to clone, and usable as long
/// as its engine is.
///
/// A `queued balanced` command in a durable engine has one queue for all instances; in memory each instance has its
/// own. A `queued broadcast` command has one for each instance; its dead letters are those of all instances.
///
/// All methods end within seconds, and are cancel safe in that what was asked is then done or not.
///
/// ```no_run
/// # async fn look(queue: mesh_runtime::CommandQueue<(String,)>) -> Result<(), mesh_runtime::QueueError> {
/// println!("{:?}", queue.stats().await?);
/// for letter in queue.dead_letters(100).await? {
///     println!("{} died of {}: {:?}", letter.job_id, letter.error, letter.args());
///     queue.requeue(&letter.job_id).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct CommandQueue<A> {
    engine: Arc<dyn Queue>,
    name: QueueName,
    /// What seals; none where the engine does not outlive the process.
    keys: Option<Arc<DerivedKeys>>,
    seal: Seal,
    args: PhantomData<fn() -> A>,
}

/// A job that is not tried again by itself. `A` is the tuple of its arguments.
#[non_exhaustive]
pub struct DeadLetter<A> {
    /// The job.
    pub job_id: JobId,
    /// The instance whose queue it was in; `None` where all share one.
    pub instance: Option<InstanceId>,
    /// What its handler got, encoded: see [`DeadLetter::args`]. `None` if it cannot be opened, for example because its
    /// key is no longer among those of this node.
    pub payload: Option<Bytes>,
    /// The error of the last attempt.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the engine accepted the job.
    pub enqueued_at: SystemTime,
    /// When it came to the dead letters.
    pub died_at: SystemTime,
    args: PhantomData<fn() -> A>,
}

impl<A: DeserializeOwned> DeadLetter<A> {
    /// The arguments of the command, as a tuple. `None` if they cannot be opened.
    ///
    /// # Errors
    /// If they are of other types, because another version of the program queued the job.
    pub fn args(&self) -> Option<Result<A, CodecError>> {
        self.payload.as_deref().map(codec::decode)
    }
}

impl<A> CommandQueue<A> {
    pub(crate) fn new(engine: Arc<dyn Queue>, name: QueueName, keys: &Arc<DerivedKeys>) -> Self {
        let keys = engine.is_durable().then(|| Arc::clone(keys));
        Self {
            seal: seal_of(keys.as_deref(), &name),
            engine,
            name,
            keys,
            args: PhantomData,
        }
    }

    /// The same command's queue of another instance.
    pub(crate) fn of(&self, name: QueueName) -> Self {
        Self {
            seal: seal_of(self.keys.as_deref(), &name),
            name,
            ..self.clone()
        }
    }

    /// The queue's name in its engine.
    pub fn name(&self) -> &QueueName {
        &self.name
    }

    /// How full it is.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn stats(&self) -> Result<QueueStats, QueueError> {
        self.engine.stats(&self.name).await
    }

    /// Lets no job begin until [`resume`](Self::resume): on no instance where all share the queue. Jobs are still
    /// accepted, and those that run go on. In a durable engine it stays paused over restarts.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn pause(&self) -> Result<(), QueueError> {
        self.engine.pause(&self.name).await
    }

    /// Undoes [`pause`](Self::pause).
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn resume(&self) -> Result<(), QueueError> {
        self.engine.resume(&self.name).await
    }

    /// The oldest dead letters of the command, at most `max` of them, the oldest first.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter<A>>, QueueError> {
        let stored = self.engine.dead_letters(&self.name, max).await?;
        Ok(stored.into_iter().map(|letter| self.read(letter)).collect())
    }

    /// Puts a dead letter into this queue, whichever instance it came from, under the same job id, and with its
    /// attempts counted from 1 again. `false` if there is no such dead letter.
    ///
    /// # Errors
    /// Those of [`QueueError::is_full`]: it then stays where it is; [`QueueError::Sealed`]; whatever befalls the engine.
    pub async fn requeue(&self, job: &JobId) -> Result<bool, QueueError> {
        match self.engine.dead_letter(&self.name, job).await? {
            Some(letter) => self.put_back(&letter).await,
            None => Ok(false),
        }
    }

    /// Puts all dead letters of this moment back, and returns how many. Those that cannot be opened stay.
    ///
    /// # Errors
    /// As [`requeue`](Self::requeue), but for [`QueueError::Sealed`]; those before have then been put back.
    pub async fn requeue_all(&self) -> Result<u64, QueueError> {
        let mut requeued = 0;
        for letter in self.all_dead_letters().await? {
            match self.put_back(&letter).await {
                Ok(found) => requeued += u64::from(found),
                Err(QueueError::Sealed(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(requeued)
    }

    /// Throws a dead letter away for good. `false` if there is no such dead letter.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn purge(&self, job: &JobId) -> Result<bool, QueueError> {
        self.engine.purge(&self.name, job).await
    }

    /// Throws all dead letters of this moment away, and returns how many.
    ///
    /// # Errors
    /// Whatever befalls the engine; those before have then been thrown away.
    pub async fn purge_all(&self) -> Result<u64, QueueError> {
        let mut purged = 0;
        for letter in self.all_dead_letters().await? {
            purged += u64::from(self.purge(&letter.job_id).await?);
        }
        Ok(purged)
    }

    /// Engines bound their dead letters, in number and size.
    async fn all_dead_letters(&self) -> Result<Vec<StoredDeadLetter>, QueueError> {
        self.engine.dead_letters(&self.name, usize::MAX).await
    }

    async fn put_back(&self, letter: &StoredDeadLetter) -> Result<bool, QueueError> {
        let payload = self
            .seal_of(letter)
            .open(SealKind::Payload, &letter.job_id, &letter.payload)
            .map_err(QueueError::Sealed)?;
        let payload = self.seal.seal(SealKind::Payload, &letter.job_id, &payload);
        self.engine
            .requeue(&self.name, &letter.job_id, payload)
            .await
    }

    fn seal_of(&self, letter: &StoredDeadLetter) -> Seal {
        if letter.queue == self.name {
            self.seal.clone()
        } else {
            seal_of(self.keys.as_deref(), &letter.queue)
        }
    }

    fn read(&self, letter: StoredDeadLetter) -> DeadLetter<A> {
        let seal = self.seal_of(&letter);
        let error = seal
            .open(SealKind::Error, &letter.job_id, &letter.error)
            .map(|error| String::from_utf8_lossy(&error).into_owned())
            .unwrap_or_else(|why| format!("(its error cannot be read: {why})"));
        DeadLetter {
            payload: seal
                .open(SealKind::Payload, &letter.job_id, &letter.payload)
                .ok(),
            error,
            job_id: letter.job_id,
            instance: letter.queue.instance,
            attempts: letter.attempts,
            enqueued_at: letter.enqueued_at,
            died_at: letter.died_at,
            args: PhantomData,
        }
    }
}

/// What the node's own worker does with its queue.
impl<A> CommandQueue<A> {
    pub(crate) fn is_durable(&self) -> bool {
        self.engine.is_durable()
    }

    pub(crate) async fn enqueue(&self, mut job: NewJob) -> Result<Enqueued, QueueError> {
        if self.keys.is_some() {
            job.payload = self.seal.seal(SealKind::Payload, &job.id, &job.payload);
        }
        self.engine.enqueue(&self.name, job).await
    }

    /// Cancel safe. The jobs are as they are kept: see [`Self::open`].
    pub(crate) fn lease(&self, max: usize) -> QueueFuture<'_, Vec<Job>> {
        self.engine.lease(&self.name, max)
    }

    /// What the handler of a leased job gets, or why it cannot be read.
    pub(crate) fn open(&self, job: &Job) -> Result<Bytes, String> {
        self.seal.open(SealKind::Payload, &job.id, &job.payload)
    }

    pub(crate) async fn complete(&self, job: &Job) -> Result<(), QueueError> {
        self.engine.complete(&self.name, job).await
    }

    pub(crate) async fn fail(
        &self,
        job: &Job,
        error: &str,
        failure: Failure,
    ) -> Result<(), QueueError> {
        let error = self.seal.seal(SealKind::Error, &job.id, error.as_bytes());
        self.engine.fail(&self.name, job, error, failure).await
    }

    pub(crate) async fn release(&self, job: &Job) -> Result<(), QueueError> {
        self.engine.release(&self.name, job).await
    }

    pub(crate) async fn leave(&self) -> Result<(), QueueError> {
        self.engine.leave(&self.name).await
    }

    pub(crate) async fn orphans(&self) -> Result<Vec<QueueName>, QueueError> {
        self.engine.orphans(&self.name).await
    }
}

fn seal_of(keys: Option<&DerivedKeys>, name: &QueueName) -> Seal {
    keys.map_or_else(Seal::none, |keys| Seal::new(keys, name))
}

// Written out, because a derived one would ask the same of `A`.
impl<A> Clone for CommandQueue<A> {
    fn clone(&self) -> Self {
        Self {
            engine: Arc::clone(&self.engine),
            name: self.name.clone(),
            keys: self.keys.clone(),
            seal: self.seal.clone(),
            args: PhantomData,
        }
    }
}

impl<A> fmt::Debug for CommandQueue<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandQueue")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<A> Clone for DeadLetter<A> {
    fn clone(&self) -> Self {
        Self {
            job_id: self.job_id.clone(),
            instance: self.instance.clone(),
            payload: self.payload.clone(),
            error: self.error.clone(),
            args: PhantomData,
            ..*self
        }
    }
}

impl<A> fmt::Debug for DeadLetter<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("job_id", &self.job_id)
            .field("instance", &self.instance)
            .field("payload", &self.payload)
            .field("error", &self.error)
            .field("attempts", &self.attempts)
            .field("enqueued_at", &self.enqueued_at)
            .field("died_at", &self.died_at)
            .finish()
    }
}
