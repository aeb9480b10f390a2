//! What a queue keeps, and what it says of itself.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::QueueName;
use crate::id::JobId;

/// A job that is to be queued.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewJob {
    /// Its id: that of no other job.
    pub id: JobId,
    /// What the handler will get, encoded.
    pub payload: Bytes,
    /// When it may run.
    pub due: Due,
    /// Whether it is left out if there has been one like it.
    pub dedupe: Option<Dedupe>,
}

impl NewJob {
    /// A job with a fresh id that runs as soon as it is its turn.
    pub fn new(payload: impl Into<Bytes>) -> Self {
        Self {
            id: JobId::fresh(),
            payload: payload.into(),
            due: Due::Now,
            dedupe: None,
        }
    }

    /// The same job, not to be run for this long.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.due = Due::After(delay);
        self
    }

    /// The same job, not to be run before `time`.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.due = Due::At(time);
        self
    }

    /// The same job, left out if the queue has accepted one with the same key within the last `window`.
    pub fn dedupe(mut self, key: impl Into<String>, window: Duration) -> Self {
        self.dedupe = Some(Dedupe {
            key: key.into(),
            window,
        });
        self
    }
}

/// When a job may run. An engine handles each of these, so another variant would be a breaking change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Due {
    /// As soon as it is its turn.
    #[default]
    Now,
    /// So long after it was accepted.
    After(Duration),
    /// At that time, or at once if that has passed.
    At(SystemTime),
}

/// Leaves a job out if the queue has accepted one with the same key a short while ago. See [`NewJob::dedupe`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Dedupe {
    /// What makes two jobs the same.
    pub key: String,
    /// How long the key is remembered, counted from the job that was accepted with it.
    pub window: Duration,
}

/// What became of a job that was to be queued.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Enqueued {
    /// The id of the job that the queue has.
    pub job_id: JobId,
    /// Whether that is an earlier job with the same deduplication key, and this one was left out.
    pub duplicate: bool,
}

impl Enqueued {
    /// The job was accepted.
    pub fn accepted(job_id: JobId) -> Self {
        Self {
            job_id,
            duplicate: false,
        }
    }

    /// The job was left out, because `job_id` is an earlier one with the same deduplication key.
    pub fn duplicate_of(job_id: JobId) -> Self {
        Self {
            job_id,
            duplicate: true,
        }
    }
}

/// A job that has been leased: whoever holds it runs it, and then says how it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Job {
    /// Stable over all attempts.
    pub id: JobId,
    /// What the handler gets, encoded.
    pub payload: Bytes,
    /// Which attempt this is. The first is 1.
    pub attempt: u32,
    /// When the engine accepted the job.
    pub enqueued_at: SystemTime,
    /// Since when processes have [set it aside](crate::queue::Queue::set_aside); `None` if the last that leased it ran it.
    pub set_aside_since: Option<SystemTime>,
}

impl Job {
    /// A job that an engine leases for its `attempt`th time. The first is 1.
    pub fn new(id: JobId, payload: Bytes, attempt: u32, enqueued_at: SystemTime) -> Self {
        Self {
            id,
            payload,
            attempt,
            enqueued_at,
            set_aside_since: None,
        }
    }

    /// The same job, which processes have set aside since then.
    pub fn set_aside_since(mut self, since: Option<SystemTime>) -> Self {
        self.set_aside_since = since;
        self
    }
}

/// What becomes of a job that has failed. An engine handles each of these, so another variant would be a breaking
/// change.
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

/// A dead letter as an engine keeps it: payload and error as they were given, and sealed where the engine
/// outlives the process.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct StoredDeadLetter {
    /// The job.
    pub job_id: JobId,
    /// The queue that it was in.
    pub queue: QueueName,
    /// What its handler got.
    pub payload: Bytes,
    /// The error of the last attempt.
    pub error: Bytes,
    /// How often it was tried.
    pub attempts: u32,
    /// When the engine accepted the job.
    pub enqueued_at: SystemTime,
    /// When it came to the dead letters.
    pub died_at: SystemTime,
}

impl StoredDeadLetter {
    /// The dead letter of a job of `queue` whose last attempt failed with `error`.
    pub fn new(queue: QueueName, job: Job, error: Bytes, died_at: SystemTime) -> Self {
        Self {
            job_id: job.id,
            queue,
            payload: job.payload,
            error,
            attempts: job.attempt,
            enqueued_at: job.enqueued_at,
            died_at,
        }
    }
}

/// Where an accepted job is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JobState {
    /// It could run now.
    Waiting,
    /// It is leased.
    Running,
    /// Its time has not come: it was delayed, or has failed and waits for its next attempt.
    Delayed,
}

/// An accepted job as an engine keeps it: its payload as it was given, and sealed where the engine outlives the process.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct StoredJob {
    /// The job.
    pub job_id: JobId,
    /// Where it is.
    pub state: JobState,
    /// What its handler gets.
    pub payload: Bytes,
    /// How often it has been leased.
    pub attempts: u32,
    /// When the engine accepted the job.
    pub enqueued_at: SystemTime,
    /// When it may run. `None` unless it is [`JobState::Delayed`].
    pub due_at: Option<SystemTime>,
}

impl StoredJob {
    /// A job that waits, and could run now. `attempts` is how often it has been leased.
    pub fn waiting(job_id: JobId, payload: Bytes, attempts: u32, enqueued_at: SystemTime) -> Self {
        Self {
            job_id,
            state: JobState::Waiting,
            payload,
            attempts,
            enqueued_at,
            due_at: None,
        }
    }

    /// The same job, leased.
    pub fn running(mut self) -> Self {
        self.state = JobState::Running;
        self.due_at = None;
        self
    }

    /// The same job, not to run before `due_at`.
    pub fn delayed(mut self, due_at: SystemTime) -> Self {
        self.state = JobState::Delayed;
        self.due_at = Some(due_at);
        self
    }
}

/// How full a queue is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct QueueStats {
    /// Jobs that could run now.
    pub waiting: u64,
    /// Jobs that are leased.
    pub running: u64,
    /// Jobs whose time has not come: delayed ones, and failed ones in their backoff.
    pub delayed: u64,
    /// Dead letters, of all instances of the command.
    pub dead: u64,
    /// How long ago the oldest of the waiting jobs was accepted. None if none waits. An engine in Redis looks at
    /// the one that is next.
    pub oldest_age: Option<Duration>,
    /// Whether the queue is paused.
    pub paused: bool,
}
