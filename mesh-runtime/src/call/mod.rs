//! The caller's side: what a stub's method returns, and how it finds its instances.
//!
//! Every call is a builder that does nothing until it is awaited. Dropping the future of a call is cancel safe: it
//! gives the call up on this node, and cancels its handler on the other one. There are two exceptions: a broadcast
//! without an answer that was handed to a link, and a job that has reached its instance, are not taken back.

mod attempt;
mod audience;
mod balanced;
mod broadcast;
mod gather;
mod prepared;
mod queued_gather;
mod started;

pub use balanced::{BalancedCall, QueuedCall};
pub use broadcast::{BroadcastCall, Sent};
pub use gather::{Gather, GatherCall, Incomplete, Outcome};
pub use prepared::ClientCore;
pub(crate) use prepared::Inherited;
use prepared::PreparedCall;
pub use queued_gather::QueuedGatherCall;

use serde::{Deserialize, Serialize};

use crate::id::{InstanceId, JobId};

/// A job that a queue has accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Queued {
    /// The job's id. The handler finds the same id in its context.
    pub job_id: JobId,
    /// The instance that accepted the job.
    pub instance: InstanceId,
    /// Whether the queue had accepted a job with the same deduplication key within the window. If so, `job_id` is the
    /// id of that job, and this one was not queued.
    pub duplicate: bool,
}
