//! Jobs and dead letters as the queue of a command hands them out: opened, and with the types of their arguments.

use std::{fmt, marker::PhantomData, time::SystemTime};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Declaration, JobState, StoredDeadLetter, StoredJob};
use crate::{
    error::CodecError,
    id::{InstanceId, JobId},
    wire::codec,
};

/// Arguments as they were opened: encoded, and for which declaration of the command.
#[derive(Clone)]
pub(super) struct StoredArgs {
    pub(super) encoded: Bytes,
    pub(super) declared: Declaration,
    /// How the command is declared here.
    pub(super) expected: Declaration,
}

impl StoredArgs {
    /// The encoded arguments, if they are those of the command as it is declared here.
    fn declared(&self) -> Result<&Bytes, CodecError> {
        if self.declared != self.expected {
            return Err(CodecError::DeclaredOtherwise {
                found: self.declared.to_string(),
                expected: self.expected.to_string(),
            });
        }
        Ok(&self.encoded)
    }

    fn decode<A: DeserializeOwned>(&self) -> Result<A, CodecError> {
        codec::decode(self.declared()?)
    }
}

/// A job of a queue that waits, runs or is delayed. `A` is the tuple of its arguments.
#[non_exhaustive]
pub struct QueuedJob<A> {
    /// The job.
    pub job_id: JobId,
    /// Where it is.
    pub state: JobState,
    /// How often it has been leased.
    pub attempts: u32,
    /// When the engine accepted the job.
    pub enqueued_at: SystemTime,
    /// When it may run. `None` unless it is [`JobState::Delayed`].
    pub due_at: Option<SystemTime>,
    stored: Option<StoredArgs>,
    args: PhantomData<fn() -> A>,
}

impl<A> QueuedJob<A> {
    /// The arguments as they are encoded; `None` if they cannot be opened.
    pub fn encoded_args(&self) -> Option<&Bytes> {
        self.stored.as_ref().map(|stored| &stored.encoded)
    }

    /// The same, if they are those of the command as it is declared here.
    pub(crate) fn declared_args(&self) -> Option<Result<&Bytes, CodecError>> {
        self.stored.as_ref().map(StoredArgs::declared)
    }

    /// `stored` is what was opened of it.
    pub(super) fn new(job: StoredJob, stored: Option<StoredArgs>) -> Self {
        Self {
            stored,
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
    /// The arguments of the command, as a tuple. `None` if they cannot be opened, for example because their key is no
    /// longer among those of this node.
    ///
    /// # Errors
    /// [`CodecError::DeclaredOtherwise`] if another version of the program queued the job, and declared the command
    /// otherwise.
    pub fn args(&self) -> Option<Result<A, CodecError>> {
        self.stored.as_ref().map(StoredArgs::decode)
    }
}

// Written out, because derived ones would ask the same of `A`.
impl<A> Clone for QueuedJob<A> {
    fn clone(&self) -> Self {
        Self {
            job_id: self.job_id.clone(),
            stored: self.stored.clone(),
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
    /// The error of the last attempt.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the engine accepted the job.
    pub enqueued_at: SystemTime,
    /// When it came to the dead letters.
    pub died_at: SystemTime,
    stored: Option<StoredArgs>,
    args: PhantomData<fn() -> A>,
}

impl<A> DeadLetter<A> {
    /// The arguments as they are encoded; `None` if they cannot be opened.
    pub fn encoded_args(&self) -> Option<&Bytes> {
        self.stored.as_ref().map(|stored| &stored.encoded)
    }

    /// The same, if they are those of the command as it is declared here.
    pub(crate) fn declared_args(&self) -> Option<Result<&Bytes, CodecError>> {
        self.stored.as_ref().map(StoredArgs::declared)
    }

    /// `stored` and `error` are what was opened of it.
    pub(super) fn new(letter: StoredDeadLetter, stored: Option<StoredArgs>, error: String) -> Self {
        Self {
            stored,
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
    /// The arguments of the command, as a tuple. `None` if they cannot be opened, for example because their key is no
    /// longer among those of this node.
    ///
    /// # Errors
    /// [`CodecError::DeclaredOtherwise`] if another version of the program queued the job, and declared the command
    /// otherwise.
    pub fn args(&self) -> Option<Result<A, CodecError>> {
        self.stored.as_ref().map(StoredArgs::decode)
    }
}

impl<A> Clone for DeadLetter<A> {
    fn clone(&self) -> Self {
        Self {
            job_id: self.job_id.clone(),
            instance: self.instance.clone(),
            stored: self.stored.clone(),
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
            .field("error", &self.error)
            .field("attempts", &self.attempts)
            .field("enqueued_at", &self.enqueued_at)
            .field("died_at", &self.died_at)
            .finish()
    }
}
