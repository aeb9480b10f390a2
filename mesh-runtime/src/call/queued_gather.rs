//! Queueing a job with all instances.

use std::{
    future::IntoFuture,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;

use super::{Gather, GatherCall, Queued};
use crate::{error::CallError, id::InstanceId};

/// Puts a job into the queue of each linked instance, and gathers the confirmations. Nothing happens until it is
/// awaited.
///
/// It goes to the instances that are linked when it is awaited. At the deadline the result is `Ok` with the jobs that
/// were confirmed, and the other instances are [`missing`](Gather::missing). If no instance is linked, the result is
/// empty. An error means that nothing was sent. Dropping the future stops the waiting; jobs that an instance has
/// accepted stay in its queue.
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

    /// Sends a text along with the call, which the handler gets by [`Context::meta`](crate::Context::meta), in place of an
    /// earlier one with the same key. See [`Metadata`](crate::Metadata) for its limits.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.gather.prepared.set_meta(key.into(), value.into());
        self
    }

    /// Makes the call a part of the trace that this `traceparent` names, as the header of an HTTP request does. A text that
    /// is none is ignored, as W3C's [Trace Context](https://www.w3.org/TR/trace-context/) asks for.
    pub fn traceparent(mut self, traceparent: &str) -> Self {
        self.gather.prepared.set_traceparent(traceparent);
        self
    }

    /// Queues the job with these instances only. An empty list means no instance.
    pub fn only(mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self {
        self.gather = self.gather.only(instances);
        self
    }

    /// Queues the job with all but these instances.
    pub fn except(mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self {
        self.gather = self.gather.except(instances);
        self
    }

    /// Fails, and queues nothing, if fewer than this many instances are linked, of those that are meant. Default 0.
    ///
    /// # Errors
    /// The call returns [`CallError::NoPeer`] if no instance is linked at all, otherwise [`CallError::TooFewPeers`].
    pub fn at_least(mut self, instances: usize) -> Self {
        self.gather = self.gather.at_least(instances);
        self
    }

    /// If too few instances are linked, waits for more, until the deadline: for as many as
    /// [`at_least`](Self::at_least) says, or for one.
    pub fn wait_for_peer(mut self) -> Self {
        self.gather = self.gather.wait_for_peer();
        self
    }

    /// Stops waiting after this many confirmations. An instance that has not confirmed the job by then may still have
    /// queued it.
    pub fn first(mut self, answers: usize) -> Self {
        self.gather = self.gather.first(answers);
        self
    }

    /// Does not run the job until this much time has passed since the queue accepted it. If both `delay` and
    /// [`at`](Self::at) are given, the last one counts.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.gather.prepared.set_delay(delay);
        self
    }

    /// Does not run the job before `time`, by the clock of the instance that accepts it or of its queue engine. If that
    /// time has passed, the job may run at once. If both [`delay`](Self::delay) and `at` are given, the last one
    /// counts.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.gather.prepared.set_at(time);
        self
    }

    /// Does not queue the job with an instance that has accepted a job of this command with the same key within the
    /// last `window`, whether that job has run or not. The answer of that instance then has the id of the earlier job,
    /// and is a [`duplicate`](Queued::duplicate).
    ///
    /// A key has 1 to 256 bytes; with any other length the call fails before anything is sent. A caller that does not
    /// know whether its call succeeded can repeat it with the same key.
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
