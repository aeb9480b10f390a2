//! What a handler knows of its call, and how it calls on.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::{
    access::{NodeType, StubFor},
    call::ClientCore,
    id::{InstanceId, JobId, NodeId},
    local::LocalNode,
};

/// The handler's view of its call and of the node that it runs on. Cheap to clone.
///
/// Calls made through [`Context::client`] inherit the deadline of the call that is being served: they end no later.
pub struct Context<N: NodeType> {
    origin: Origin,
    node: PhantomData<fn() -> N>,
}

/// On which node a handler runs, and for whom.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) local: Arc<LocalNode>,
    pub(super) caller: Option<Caller>,
    pub(super) deadline: Option<Instant>,
    pub(super) job: Option<JobInfo>,
}

/// Who called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// The calling node, proven by its keys and by the handshake.
    pub node: NodeId,
}

/// Which job a handler of a queued command works on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobInfo {
    /// The same for every attempt: a handler that must not do its work twice remembers it.
    pub id: JobId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When the queue took the job.
    pub enqueued_at: SystemTime,
}

impl<N: NodeType> Context<N> {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            node: PhantomData,
        }
    }

    /// The stub for calling nodes of type `T` from this handler. What the schema forbids does not compile.
    pub fn client<T: StubFor<N>>(&self) -> T::Stub {
        let local = Arc::clone(&self.origin.local);
        T::stub(|callee| ClientCore::new(local, callee, self.origin.deadline))
    }

    /// Who called; `None` for a job, whose caller has long gone on.
    pub fn caller(&self) -> Option<&Caller> {
        self.origin.caller.as_ref()
    }

    /// The instance id of the node that this handler runs on.
    pub fn instance(&self) -> &InstanceId {
        &self.origin.local.id.instance
    }

    /// What is left until the caller stops waiting; the handler is dropped then. `None` for jobs and for broadcasts
    /// without an answer, which have no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.origin
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The job, in a handler of a queued command.
    pub fn job(&self) -> Option<&JobInfo> {
        self.origin.job.as_ref()
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
