//! Queueing a job with all instances.

use std::{
    future::IntoFuture,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;

use super::{Gather, GatherCall, Queued};
use crate::{error::CallError, id::InstanceId};

/// Puts a job into the queue of each linked instance, and gathers what the queues say. Nothing happens until it is
/// awaited.
///
/// The membership at the await decides. At the deadline the result is `Ok` with the jobs that were confirmed, and the
/// other instances are [`missing`](Gather::missing). Without any instance the gather is empty. An error means that
/// nothing was sent. Dropping the future gives up waiting; jobs that an instance has accepted stay in its queue.
///
/// ```
/// # use std::time::Duration;
/// # use mesh_runtime::{CallError, Node, mesh_schema};
/// # mesh_schema! {
/// #     mesh Shop;
/// #     node Gateway { connect: [Search]; }
/// #     node Search { allow: [Gateway]; queued broadcast fn reindex(day: u32); }
/// # }
/// # async fn reindex(gateway: Node<Gateway>) -> Result<(), CallError> {
/// let gathered = gateway
///     .client::<Search>()
///     .reindex(17)
///     .delay(Duration::from_secs(60))
///     .await?;
/// for queued in gathered.values() {
///     println!("{} has taken it as {}", queued.instance, queued.job_id);
/// }
/// # Ok(())
/// # }
/// # fn main() {}
/// ```
#[must_use = "a call does nothing until it is awaited"]
pub struct QueuedGatherCall {
    gather: GatherCall<Queued>,
}

impl QueuedGatherCall {
    pub(crate) fn new(gather: GatherCall<Queued>) -> Self {
        Self { gather }
    }

    /// How long the instances have to confirm the job, counted from the await. Default: the command's `#[timeout]`,
    /// or 3 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.gather = self.gather.timeout(timeout);
        self
    }

    /// Queues the job with these instances only. An empty list is nobody.
    pub fn only(mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self {
        self.gather = self.gather.only(instances);
        self
    }

    /// Queues the job with all but these instances.
    pub fn except(mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self {
        self.gather = self.gather.except(instances);
        self
    }

    /// Waits for this many confirmations only. An instance that has not confirmed the job by then may have it all the
    /// same.
    pub fn first(mut self, answers: usize) -> Self {
        self.gather = self.gather.first(answers);
        self
    }

    /// The job does not run for this long after it was accepted. Of `delay` and [`at`](Self::at) the last one given
    /// counts.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.gather.prepared.set_delay(delay);
        self
    }

    /// The job does not run before `time`, by the clock of the instance that takes it, or its engine's; at once if that
    /// has passed. Of [`delay`](Self::delay) and `at` the last one given counts.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.gather.prepared.set_at(time);
        self
    }

    /// Leaves the job out of the queue of each instance that has accepted one of this command with the same key within
    /// the last `window`, run or not: its answer then has the id of that one, and is a
    /// [`duplicate`](Queued::duplicate).
    ///
    /// A key has 1 to 256 bytes; another is an error before anything is sent. Whoever does not know what became of a
    /// call can make it again with the same key.
    pub fn dedupe(mut self, key: impl Into<String>, window: Duration) -> Self {
        self.gather.prepared.set_dedupe(key.into(), window);
        self
    }
}

impl IntoFuture for QueuedGatherCall {
    type Output = Result<Gather<Queued>, CallError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.gather.into_future()
    }
}
