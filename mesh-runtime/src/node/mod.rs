//! A running node: the handle that its user holds, and what runs behind it.

mod builder;
pub(crate) mod config;
pub(crate) mod core;
mod dialer;
pub(crate) mod events;
mod jobs;
mod operated;
mod registration;
mod running;

use std::{fmt, marker::PhantomData, net::SocketAddr, sync::Arc};

pub use builder::NodeBuilder;
pub(crate) use builder::{listen, listen_for_metrics};
pub use events::{Event, Events};
pub(crate) use running::RunningNode;
pub use running::ShutdownReport;

use crate::{
    access::{CalledBy, HasQueues, NodeType, StubFor},
    call::{ClientCore, Inherited},
    error::RunError,
    id::{InstanceId, NodeId},
    link_info::LinkInfo,
    metrics::Metrics,
    ready::Ready,
};

/// A running node of type `N`. Cheap to clone; when the last clone is dropped, the node ends without a grace period.
/// Stubs and contexts do not keep it running.
pub struct Node<N: NodeType> {
    running: Arc<RunningNode>,
    node: PhantomData<fn() -> N>,
}

impl<N: NodeType> Node<N> {
    pub(crate) fn new(running: Arc<RunningNode>) -> Self {
        Self {
            running,
            node: PhantomData,
        }
    }

    /// The stub for calling nodes of type `T`. A call that the schema forbids does not compile.
    pub fn client<T: StubFor<N>>(&self) -> T::Stub {
        let local = Arc::clone(&self.running.core.local);
        T::stub(|callee| ClientCore::new(local, callee, Inherited::default()))
    }

    /// Waits until at least `instances` nodes of type `T` are linked, for at most 10 s unless [`Ready::timeout`] sets
    /// another limit.
    pub fn ready<T: CalledBy<N>>(&self, instances: usize) -> Ready {
        Ready::new(Arc::clone(&self.running.core.local), T::SPEC, instances)
    }

    /// Waits until the master has this node in its registry. Cancel safe; has no deadline of its own.
    ///
    /// # Errors
    /// If the node can no longer do its work: see [`run_until_signal`](Self::run_until_signal).
    pub async fn registered(&self) -> Result<(), RunError> {
        let core = &self.running.core;
        tokio::select! {
            biased;
            () = core.local.membership.registered() => Ok(()),
            why = core.given_up() => Err(why),
        }
    }

    /// Node type and instance id.
    pub fn id(&self) -> &NodeId {
        &self.running.core.local.id
    }

    /// The instance id.
    pub fn instance(&self) -> &InstanceId {
        &self.running.core.local.id.instance
    }

    /// The address that this node listens on.
    pub fn addr(&self) -> SocketAddr {
        self.running.addr
    }

    /// The address at which this node serves `/metrics`, `/livez` and `/readyz`, if it does:
    /// [`NodeBuilder::metrics`].
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.running.metrics
    }

    /// All links, in the order of instance ids.
    pub fn links(&self) -> Vec<LinkInfo> {
        let core = &self.running.core;
        let links = core.links();
        let links = links.iter();
        links.map(|link| LinkInfo::of(&core.local, link)).collect()
    }

    /// The link to an instance of node type `T`, if there is one.
    pub fn link<T: NodeType>(&self, instance: impl Into<InstanceId>) -> Option<LinkInfo> {
        let id = NodeId::new(T::NAME, instance);
        let core = &self.running.core;
        let link = core.link(&id)?;
        Some(LinkInfo::of(&core.local, &link))
    }

    /// The queues of this node's queued commands. For each of these commands there is a method with its name. A queue
    /// gives access to its statistics, jobs and dead letters, and can be paused and resumed.
    ///
    /// ```no_run
    /// use mesh_runtime::{Context, JobError, Node, mesh_schema, queue::QueueError};
    ///
    /// mesh_schema! {
    ///     pub mesh Shop;
    ///     node Billing {
    ///         allow: any;
    ///         queued balanced fn export(day: u32);
    ///     }
    /// }
    ///
    /// async fn look(billing: Node<Billing>) -> Result<(), QueueError> {
    ///     let exports = billing.queues().export();
    ///     println!("{} jobs wait", exports.stats().await?.waiting);
    ///     for letter in exports.dead_letters(100).await? {
    ///         println!("{:?} failed: {}", letter.args(), letter.error);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn queues(&self) -> N::Queues
    where
        N: HasQueues,
    {
        N::queues(self.running.core.queues.clone())
    }

    /// What this node has counted since it was started: the calls that it has made and served, and the jobs that it has run,
    /// by command.
    pub fn metrics(&self) -> Metrics {
        self.running.core.metrics()
    }

    /// The events of this node from now on.
    pub fn events(&self) -> Events {
        self.running.core.events.listen()
    }

    /// Shuts the node down gracefully. The master and the peers are told, new calls are refused, and calls and jobs
    /// under way may finish within the grace period ([`NodeBuilder::grace`], by default 10 s). Then everything is
    /// closed. This takes little longer than the grace period. Not cancel safe: a shutdown that has begun continues
    /// even if the future is dropped.
    pub async fn shutdown(&self) -> ShutdownReport {
        self.running.shutdown().await
    }

    /// Waits until this node shuts down: by [`shutdown`](Self::shutdown), or because an operator has asked for it. For
    /// programs that listen for signals themselves, in place of [`run_until_signal`](Self::run_until_signal): they then
    /// call `shutdown`, which also waits for one that is under way. Cancel safe.
    ///
    /// # Errors
    /// If the node can no longer do its work, which does not end it: see `run_until_signal`.
    pub async fn shutting_down(&self) -> Result<(), RunError> {
        tokio::select! {
            () = self.running.draining() => Ok(()),
            why = self.running.core.given_up() => Err(why),
        }
    }

    /// Runs until the process is told to end (Ctrl-C or SIGTERM), then shuts down. Also returns once the node has been shut
    /// down otherwise, as by an operator.
    ///
    /// # Errors
    /// If the process cannot listen for signals. If the node can no longer do its work, it is shut down, too, and the error
    /// says why: a newer node with the same instance id has taken its place, or the master, which could not be reached
    /// when the node was started, has refused it.
    pub async fn run_until_signal(&self) -> Result<ShutdownReport, RunError> {
        let given_up = tokio::select! {
            told = crate::signal::terminated() => told.map(|()| None).map_err(RunError::Signals)?,
            () = self.running.draining() => None,
            why = self.running.core.given_up() => Some(why),
        };
        let report = self.shutdown().await;
        given_up.map_or(Ok(report), Err)
    }
}

impl<N: NodeType> Clone for Node<N> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.running))
    }
}

impl<N: NodeType> fmt::Debug for Node<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", self.id())
            .field("addr", &self.addr())
            .finish_non_exhaustive()
    }
}
