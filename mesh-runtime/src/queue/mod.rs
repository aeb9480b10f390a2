//! Queued jobs: the engines that keep them, and what a node and an operator see of them.
//!
//! - [`CommandQueue`]: the queue of one command of a node, from [`Node::queues`](crate::Node::queues): how full it is, its
//!   jobs and dead letters, pausing and resuming.
//! - [`MemoryQueue`], and `RedisQueue` (feature `redis`): the engines, for [`NodeBuilder::queue`](crate::NodeBuilder::queue).
//! - [`Queue`] and [`QueueAdmin`]: what an engine of your own must do.

// Inside: a node's own view of one queue with its seal is `command_queue`, and `worker` runs its jobs. Nothing here knows
// of links, of frames, or of how a job's payload is encoded.

mod body;
mod command_queue;
mod engine;
mod error;
mod job;
mod memory;
mod name;
mod node_queues;
mod orphans;
#[cfg(feature = "redis")]
mod redis;
mod seal;
mod typed;
mod worker;

pub(crate) use body::{Declaration, JobArgs};
pub use command_queue::CommandQueue;
pub use engine::{Queue, QueueAdmin, QueueFuture};
pub use error::QueueError;
pub use job::{
    Dedupe, Due, Enqueued, Failure, Job, JobState, NewJob, QueueStats, StoredDeadLetter, StoredJob,
};
pub use memory::MemoryQueue;
pub use name::QueueName;
#[doc(hidden)]
pub use node_queues::NodeQueues;
pub(crate) use node_queues::UntypedQueue;
pub(crate) use orphans::{OrphanPolicy, OrphanWatch};
#[cfg(feature = "redis")]
pub use redis::RedisQueue;
pub use typed::{DeadLetter, QueuedJob};
pub(crate) use worker::{JobOutcome, OpenedJob, RunJob, Worker, WorkerOptions};
