//! Why an engine did not do what it was asked.

use crate::id::JobId;

/// Why an engine did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue holds as many jobs as it may. Send less, or run more instances.
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
