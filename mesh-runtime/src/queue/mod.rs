//! Queued jobs: what an engine must do ([`Queue`]), the engines, a node's own view of one queue with its seal
//! ([`CommandQueue`]), and the worker that runs its jobs. Knows nothing of links, frames or how a job's payload is
//! encoded.

mod command_queue;
mod dead;
mod engine;
mod job;
mod memory;
mod node_queues;
mod orphans;
#[cfg(feature = "redis")]
mod redis;
mod remembered_keys;
mod seal;
mod state;
mod worker;

pub use command_queue::{CommandQueue, DeadLetter};
pub use engine::{Queue, QueueFuture};
pub use job::{
    Dedupe, Due, Enqueued, Failure, Job, NewJob, QueueError, QueueName, QueueStats,
    StoredDeadLetter,
};
pub use memory::MemoryQueue;
pub use node_queues::NodeQueues;
pub(crate) use node_queues::UntypedQueue;
pub(crate) use orphans::{OrphanPolicy, OrphanWatch};
#[cfg(feature = "redis")]
pub use redis::RedisQueue;
pub(crate) use worker::{JobOutcome, RunJob, Worker, WorkerOptions};
