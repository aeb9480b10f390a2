//! Jobs and dead letters as the queue of a command hands them out: opened, and with the types of their arguments.

use std::{fmt, marker::PhantomData, time::SystemTime};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{JobState, StoredDeadLetter, StoredJob};
use crate::{
    error::CodecError,
    id::{InstanceId, JobId},
    wire::codec,
};

/// A job of a queue that waits, runs or is delayed. `A` is the tuple of its arguments.
#[non_exhaustive]
pub struct QueuedJob<A> {
    /// The job.
    pub job_id: JobId,
    /// Where it is.
    pub state: JobState,
    /// What its handler gets, encoded: see [`QueuedJob::args`]. `None` if it cannot be opened, for example because its
    /// key is no longer among those of this node.
    pub payload: Option<Bytes>,
    /// How often it has been leased.
    pub attempts: u32,
    /// When the engine accepted the job.
    pub enqueued_at: SystemTime,
    /// When it may run. `None` unless it is [`JobState::Delayed`].
    pub due_at: Option<SystemTime>,
    args: PhantomData<fn() -> A>,
}

impl<A> QueuedJob<A> {
    /// `payload` is what was opened of it.
    pub(super) fn new(job: StoredJob, payload: Option<Bytes>) -> Self {
        Self {
            payload,
            job_id: job.job_id,
            state: job.state,
            attempts: job.attempts,
            enqueued_at: job.enqueued_at,
            due_at: job.due_at,
            args: PhantomData,
        }
    }
}

impl<A: DeserializeOwned> QueuedJob<A> {
    /// The arguments of the command, as a tuple. `None` if they cannot be opened.
    ///
    /// # Errors
    /// If they are of other types, because another version of the program queued the job.
    pub fn args(&self) -> Option<Result<A, CodecError>> {
        self.payload.as_deref().map(codec::decode)
    }
}

// Written out, because derived ones would ask the same of `A`.
impl<A> Clone for QueuedJob<A> {
    fn clone(&self) -> Self {
        Self {
            job_id: self.job_id.clone(),
            payload: self.payload.clone(),
            args: PhantomData,
            ..*self
        }
    }
}

impl<A> fmt::Debug for QueuedJob<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedJob")
            .field("job_id", &self.job_id)
            .field("state", &self.state)
            .field("payload", &self.payload)
            .field("attempts", &self.attempts)
            .field("enqueued_at", &self.enqueued_at)
            .field("due_at", &self.due_at)
            .finish()
    }
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

impl<A> DeadLetter<A> {
    /// `payload` and `error` are what was opened of it.
    pub(super) fn new(letter: StoredDeadLetter, payload: Option<Bytes>, error: String) -> Self {
        Self {
            payload,
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

impl<A: DeserializeOwned> DeadLetter<A> {
    /// The arguments of the command, as a tuple. `None` if they cannot be opened.
    ///
    /// # Errors
    /// If they are of other types, because another version of the program queued the job.
    pub fn args(&self) -> Option<Result<A, CodecError>> {
        self.payload.as_deref().map(codec::decode)
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
