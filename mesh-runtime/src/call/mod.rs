//! The caller's side: what a stub's method returns, and how it finds its instances.
//!
//! Every call is a builder that does nothing until it is awaited. All of them are cancel safe in this sense: dropping
//! the future gives the call up here, and cancels the handler there.

mod attempt;
mod balanced;
mod broadcast;
mod gather;
mod prepared;
mod queued_gather;

pub use balanced::{BalancedCall, QueuedCall};
pub use broadcast::{BroadcastCall, Sent};
pub use gather::{Gather, GatherCall, Incomplete, Outcome};
pub use prepared::ClientCore;
use prepared::PreparedCall;
pub use queued_gather::QueuedGatherCall;

use serde::{Deserialize, Serialize};

use crate::id::{InstanceId, JobId};

/// A job that a queue has taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Queued {
    /// The job's id: the handler finds it in its context.
    pub job_id: JobId,
    /// The instance that took the job.
    pub instance: InstanceId,
    /// Whether the queue had a job with the same deduplication key within its window: then `job_id` is that one's,
    /// and this one was left out.
    pub duplicate: bool,
}
