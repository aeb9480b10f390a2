//! What a handler knows about its call, and how it makes further calls.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tracing::Span;

use crate::{
    access::{CalledBy, NodeType, StubFor},
    call::{ClientCore, Inherited},
    carried::Carried,
    id::{InstanceId, JobId, NodeId},
    link_info::LinkInfo,
    local::LocalNode,
    metadata::Metadata,
    ready::Ready,
};

/// The handler's view of its call and of the node that it runs on. Cheap to clone.
///
/// Calls made through [`Context::client`] inherit the deadline of the call that is being served: they end no later. They
/// take its [metadata](Context::metadata) along, too.
pub struct Context<N: NodeType> {
    origin: Origin,
    node: PhantomData<fn() -> N>,
}

/// The node that a handler runs on, and the call or job that it runs for.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) local: Arc<LocalNode>,
    pub(super) caller: Option<Caller>,
    pub(super) deadline: Option<Instant>,
    /// Boxed, since few have it and all are moved.
    pub(super) job: Option<Box<JobInfo>>,
    pub(super) carried: Carried,
}

/// Who called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// The calling node, proven by its keys and by the handshake. The node type of an operator is `operator`.
    pub node: NodeId,
}

/// Which job a handler of a queued command works on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobInfo {
    /// The id of the job, which is the same for every attempt. A handler that must not do its work twice can recognize
    /// a repetition by it.
    pub id: JobId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When the queue accepted the job.
    pub enqueued_at: SystemTime,
}

impl<N: NodeType> Context<N> {
    /// The context of a handler that begins.
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            node: PhantomData,
        }
    }

    /// The stub for calling nodes of type `T` from this handler. A call that the schema forbids does not compile.
    pub fn client<T: StubFor<N>>(&self) -> T::Stub {
        let local = Arc::clone(&self.origin.local);
        let inherited = Inherited {
            deadline: self.origin.deadline,
            carried: self.origin.carried.clone(),
        };
        T::stub(|callee| ClientCore::new(local, callee, inherited))
    }

    /// Waits until at least `instances` nodes of type `T` are linked, for at most 10 s unless [`Ready::timeout`] sets
    /// another limit.
    pub fn ready<T: CalledBy<N>>(&self, instances: usize) -> Ready {
        let local = Arc::clone(&self.origin.local);
        Ready::new(local, T::SPEC, instances)
    }

    /// The links of this node, in the order of node types and instance ids, without those that are draining.
    pub fn links(&self) -> Vec<LinkInfo> {
        let local = &self.origin.local;
        let links = local.links();
        links.iter().map(|link| LinkInfo::of(local, link)).collect()
    }

    /// Who called. `None` for a job, because its caller does not wait for it to run.
    pub fn caller(&self) -> Option<&Caller> {
        self.origin.caller.as_ref()
    }

    /// A text that was sent along with the call or job, or with the call that its caller served.
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.origin.carried.metadata().get(key)
    }

    /// All that was sent along with the call or job. It goes on with the calls that are made through this context.
    pub fn metadata(&self) -> &Metadata {
        self.origin.carried.metadata()
    }

    /// The trace that this handler belongs to, as the text of the header `traceparent`, for requests to systems outside
    /// the mesh. With a [`TracePropagator`](crate::TracePropagator) it names the current span; otherwise the one that
    /// came with the call, if there is one.
    pub fn traceparent(&self) -> Option<String> {
        let propagator = self.origin.local.propagator.as_ref();
        let current = propagator.and_then(|propagator| propagator.inject(&Span::current()));
        let trace = current.or_else(|| self.origin.carried.trace().copied());
        trace.map(|trace| trace.to_string())
    }

    /// The instance id of the node that this handler runs on.
    pub fn instance(&self) -> &InstanceId {
        &self.origin.local.id.instance
    }

    /// How much time is left until the caller stops waiting and the handler is dropped. `None` for jobs and for
    /// broadcasts without an answer, which have no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.origin
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The job, in a handler of a queued command.
    pub fn job(&self) -> Option<&JobInfo> {
        self.origin.job.as_deref()
    }
}

impl<N: NodeType> Clone for Context<N> {
    fn clone(&self) -> Self {
        Self {
            origin: self.origin.clone(),
            node: PhantomData,
        }
    }
}

impl<N: NodeType> fmt::Debug for Context<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("node", &self.origin.local.id)
            .field("caller", &self.origin.caller)
            .field("deadline", &self.origin.deadline)
            .field("job", &self.origin.job)
            .finish()
    }
}
