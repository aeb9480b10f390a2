//! One queue of an engine as a node sees it: with its name, and with the seal of what is kept outside the process.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{
    DeadLetter, Declaration, Enqueued, Failure, Job, JobArgs, JobState, NewJob, Queue, QueueError,
    QueueFuture, QueueName, QueueStats, QueuedJob, StoredDeadLetter, StoredJob, body,
    seal::{Seal, SealKind},
    typed::StoredArgs,
};
use crate::{id::JobId, keys::DerivedKeys};
use bytes::Bytes;

/// The queue of one queued command of a node: how full it is, its jobs and dead letters, pausing and resuming. From
/// [`Node::queues`](crate::Node::queues). `A` is the tuple of the command's arguments. Cheap to clone, and usable as long
/// as its engine is.
///
/// A `queued balanced` command in a durable engine has one queue for all instances; in memory each instance has its
/// own. A `queued broadcast` command has one for each instance; its dead letters are those of all instances.
///
/// All methods end within seconds, and are cancel safe in that what was asked is then done or not.
///
/// ```no_run
/// # async fn look(queue: mesh_runtime::queue::CommandQueue<(String,)>) -> Result<(), mesh_runtime::queue::QueueError> {
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
    /// How the command is declared here.
    declaration: Declaration,
    args: PhantomData<fn() -> A>,
}

/// Why a leased job does not run here.
pub(crate) enum Unopened {
    /// Nobody can read it, and this is why.
    Unreadable(String),
    /// It was queued under another declaration of the command.
    DeclaredOtherwise(Declaration),
}

impl<A> CommandQueue<A> {
    pub(crate) fn new(
        engine: Arc<dyn Queue>,
        name: QueueName,
        keys: &Arc<DerivedKeys>,
        declaration: Declaration,
    ) -> Self {
        let keys = engine.is_durable().then(|| Arc::clone(keys));
        Self {
            seal: seal_of(keys.as_deref(), &name),
            engine,
            name,
            keys,
            declaration,
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
        self.engine.admin().stats(&self.name).await
    }

    /// Lets no job begin until [`resume`](Self::resume): on no instance where all share the queue. Jobs are still
    /// accepted, and those that run go on. In a durable engine it stays paused over restarts.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn pause(&self) -> Result<(), QueueError> {
        self.engine.admin().pause(&self.name).await
    }

    /// Undoes [`pause`](Self::pause).
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn resume(&self) -> Result<(), QueueError> {
        self.engine.admin().resume(&self.name).await
    }

    /// Jobs of the queue in that state, at most `max` of them: waiting ones in the order in which they will run, delayed
    /// ones in the order in which they are due, running ones in any order.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn jobs(&self, state: JobState, max: usize) -> Result<Vec<QueuedJob<A>>, QueueError> {
        let stored = self.engine.admin().jobs(&self.name, state, max).await?;
        Ok(stored.into_iter().map(|job| self.read_job(job)).collect())
    }

    /// One job that waits, runs or is delayed. Redis looks through the queue for it, page by page.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn job(&self, job: &JobId) -> Result<Option<QueuedJob<A>>, QueueError> {
        let stored = self.engine.admin().job(&self.name, job).await?;
        Ok(stored.map(|job| self.read_job(job)))
    }

    /// Throws a job away for good that waits or is delayed. `false` if there is no such job, or if it runs already: it
    /// then goes on. Its deduplication key is still remembered.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn remove(&self, job: &JobId) -> Result<bool, QueueError> {
        self.engine.admin().remove(&self.name, job).await
    }

    /// The oldest dead letters of the command, at most `max` of them, the oldest first.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn dead_letters(&self, max: usize) -> Result<Vec<DeadLetter<A>>, QueueError> {
        let stored = self.engine.admin().dead_letters(&self.name, max).await?;
        let letters = stored.into_iter();
        Ok(letters.map(|letter| self.read_letter(letter)).collect())
    }

    /// One dead letter of the command.
    ///
    /// # Errors
    /// Whatever befalls the engine.
    pub async fn dead_letter(&self, job: &JobId) -> Result<Option<DeadLetter<A>>, QueueError> {
        let stored = self.engine.admin().dead_letter(&self.name, job).await?;
        Ok(stored.map(|letter| self.read_letter(letter)))
    }

    /// Puts a dead letter into this queue, whichever instance it came from, under the same job id, and with its
    /// attempts counted from 1 again. `false` if there is no such dead letter.
    ///
    /// # Errors
    /// Those of [`QueueError::is_full`]: it then stays where it is; [`QueueError::Sealed`]; whatever befalls the engine.
    pub async fn requeue(&self, job: &JobId) -> Result<bool, QueueError> {
        match self.engine.admin().dead_letter(&self.name, job).await? {
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
        self.engine.admin().purge(&self.name, job).await
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
        self.engine
            .admin()
            .dead_letters(&self.name, usize::MAX)
            .await
    }

    async fn put_back(&self, letter: &StoredDeadLetter) -> Result<bool, QueueError> {
        let payload = self
            .seal_of(letter)
            .open(SealKind::Payload, &letter.job_id, &letter.payload)
            .map_err(QueueError::Sealed)?;
        let payload = self.seal.seal(SealKind::Payload, &letter.job_id, &payload);
        self.engine
            .admin()
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

    fn read_job(&self, job: StoredJob) -> QueuedJob<A> {
        let args = self.read_args(&self.seal, &job.job_id, &job.payload);
        QueuedJob::new(job, args)
    }

    fn read_letter(&self, letter: StoredDeadLetter) -> DeadLetter<A> {
        let seal = self.seal_of(&letter);
        let error = seal
            .open(SealKind::Error, &letter.job_id, &letter.error)
            .map(|error| String::from_utf8_lossy(&error).into_owned())
            .unwrap_or_else(|why| format!("(its error cannot be read: {why})"));
        let args = self.read_args(&seal, &letter.job_id, &letter.payload);
        DeadLetter::new(letter, args, error)
    }

    fn read_args(&self, seal: &Seal, job: &JobId, payload: &Bytes) -> Option<StoredArgs> {
        let (declared, read) = open_body(seal, job, payload).ok()?;
        Some(StoredArgs {
            encoded: read.args,
            declared,
            expected: self.declaration,
        })
    }
}

fn open_body(seal: &Seal, job: &JobId, payload: &Bytes) -> Result<(Declaration, JobArgs), String> {
    body::decode(seal.open(SealKind::Payload, job, payload)?)
}

/// What the node's own worker does with its queue.
impl<A> CommandQueue<A> {
    pub(crate) fn is_durable(&self) -> bool {
        self.engine.is_durable()
    }

    /// Whether the instances of the node type share this queue.
    pub(crate) fn is_shared(&self) -> bool {
        self.engine.is_shared() && self.name.instance.is_none()
    }

    /// Whether the dead letters are those of all instances, even of a command whose instances have a queue each.
    pub(crate) fn shares_dead_letters(&self) -> bool {
        self.engine.is_shared()
    }

    /// Puts a dead letter back into the queue that it came from. `false` if there is no such dead letter.
    #[cfg(feature = "operator")]
    pub(crate) async fn requeue_home(&self, job: &JobId) -> Result<bool, QueueError> {
        match self.engine.admin().dead_letter(&self.name, job).await? {
            Some(letter) => self.of(letter.queue.clone()).put_back(&letter).await,
            None => Ok(false),
        }
    }

    /// The payload of the job is its encoded arguments; `block` is the extension block of the call that queues it.
    pub(crate) async fn enqueue(
        &self,
        block: &[u8],
        mut job: NewJob,
    ) -> Result<Enqueued, QueueError> {
        job.payload = body::encode(self.declaration, block, &job.payload);
        if self.keys.is_some() {
            job.payload = self.seal.seal(SealKind::Payload, &job.id, &job.payload);
        }
        self.engine.enqueue(&self.name, job).await
    }

    /// Cancel safe. The jobs are as they are kept: see [`Self::open`].
    pub(crate) fn lease(&self, max: usize) -> QueueFuture<'_, Vec<Job>> {
        self.engine.lease(&self.name, max)
    }

    /// What the handler of a leased job gets.
    pub(crate) fn open(&self, job: &Job) -> Result<JobArgs, Unopened> {
        let opened = open_body(&self.seal, &job.id, &job.payload);
        let (declared, args) = opened.map_err(Unopened::Unreadable)?;
        if declared != self.declaration {
            return Err(Unopened::DeclaredOtherwise(declared));
        }
        Ok(args)
    }

    /// How the command is declared here.
    pub(crate) fn declaration(&self) -> Declaration {
        self.declaration
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

    pub(crate) async fn set_aside(&self, job: &Job, wait: Duration) -> Result<(), QueueError> {
        self.engine.set_aside(&self.name, job, wait).await
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
            declaration: self.declaration,
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
