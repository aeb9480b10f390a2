//! What a queue is called, what it keeps, and what it says of itself.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use crate::id::{InstanceId, JobId};

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
/// assert_eq!(name.shared().to_string(), "Shop/Billing.reindex");
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

impl QueueName {
    /// The name without the instance: what all queues of the command have in common, such as their dead letters.
    pub fn shared(&self) -> Self {
        Self {
            instance: None,
            ..self.clone()
        }
    }

    /// The queue of `instance` for the same command.
    pub fn of(&self, instance: impl Into<InstanceId>) -> Self {
        Self {
            instance: Some(instance.into()),
            ..self.clone()
        }
    }
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

/// When a job may run.
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

/// Leaves a job out if the queue has accepted one with the same key a short while ago.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dedupe {
    /// What makes two jobs the same.
    pub key: String,
    /// How long the key is remembered, counted from the job that was accepted with it.
    pub window: Duration,
}

/// What became of a job that was to be queued.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Enqueued {
    /// The id of the job that the queue has.
    pub job_id: JobId,
    /// Whether that is an earlier job with the same deduplication key, and this one was left out.
    pub duplicate: bool,
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

/// A dead letter as an engine keeps it: payload and error as they were given, and sealed where the engine
/// outlives the process.
#[derive(Clone, PartialEq, Eq, Debug)]
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
    /// The queue remembers as many deduplication keys as it may. Use shorter windows, or raise the limit.
    #[error("the queue is full: it remembers {limit} deduplication keys")]
    FullKeys {
        /// The most keys that it remembers.
        limit: u64,
    },
    /// The job is not leased (any more): it was completed, failed or given back, or its lease ran out.
    #[error("job {job} is not leased")]
    NotLeased {
        /// The job.
        job: JobId,
    },
    /// The engine failed, or did not answer in time. What was asked may have been done or not.
    #[error("the queue's engine failed: {0}")]
    Engine(
        /// What it says.
        String,
    ),
    /// A dead letter cannot be put back, because what is in it cannot be read.
    #[error("the job cannot be opened: {0}")]
    Sealed(
        /// Why.
        String,
    ),
    /// The engine has been shut down and will not come back.
    #[error("the queue's engine has been shut down")]
    Closed,
}

impl QueueError {
    /// Whether the queue has reached one of its bounds. Nothing was queued then, and another may have room.
    pub fn is_full(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::FullBytes { .. } | Self::FullKeys { .. }
        )
    }
}
