//! The error types. Every error says what went wrong and, where that is known, how to fix it.

use std::{fmt, time::Duration};

use crate::{
    close::CloseReason,
    id::{CommandName, InstanceId, NodeId},
    keys::KeysError,
};

/// Why a call got no answer.
///
/// [`CallError::maybe_executed`] tells whether the handler may have run nevertheless.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No instance of the node type is linked, or the chosen one is not.
    #[error("no instance of `{node_type}` is linked{}", chosen(.instance))]
    NoPeer {
        /// The node type that was called.
        node_type: &'static str,
        /// The instance that was chosen with `.to(..)`.
        instance: Option<InstanceId>,
    },
    /// The budget of the link, or of the instance, is used up: send less at once, or add instances.
    #[error("overloaded: {what}")]
    Overloaded {
        /// Which budget, and how big it is.
        what: String,
        /// Whether the handler may have run.
        maybe_executed: bool,
    },
    /// The schema, here or at the instance, does not allow this node type to call this command.
    #[error("denied: {command} may not be called by this node type")]
    Denied {
        /// The command, as `NodeType.command`.
        command: String,
    },
    /// The two sides do not agree on this command: the instance does not know it, declares it differently, does not
    /// serve it, or cannot decode its arguments.
    #[error("incompatible: {what}")]
    Incompatible {
        /// What differs.
        what: String,
    },
    /// Fewer instances are linked than were asked for with `.at_least(..)`. Nothing was sent.
    #[error("{linked} instances of `{node_type}` are linked, and at least {wanted} are wanted")]
    TooFewPeers {
        /// The node type that was called.
        node_type: &'static str,
        /// How many are linked, of those that were meant.
        linked: usize,
        /// How many were wanted.
        wanted: usize,
    },
    /// The link closed before the answer arrived.
    #[error("{command}: the link to {peer} was lost: {reason}")]
    LinkLost {
        /// The command.
        command: CommandName,
        /// The other end.
        peer: NodeId,
        /// Why the link closed.
        reason: CloseReason,
        /// Whether the call may have been sent.
        maybe_executed: bool,
    },
    /// No answer within the deadline.
    #[error("{command}: no answer{} within {after:?}", behind(" from ", .peer))]
    DeadlineExceeded {
        /// The command.
        command: CommandName,
        /// The instance that was asked last. `None` if the deadline passed before one was asked.
        peer: Option<NodeId>,
        /// The total time that the call had.
        after: Duration,
        /// Whether the call may have been sent.
        maybe_executed: bool,
    },
    /// The instance ended the call without an answer, for example because it is shutting down without a grace period.
    #[error("cancelled by {peer}")]
    Cancelled {
        /// The instance.
        peer: NodeId,
    },
    /// The arguments could not be encoded, or the answer could not be encoded or decoded.
    #[error("{what}: {source}")]
    Codec {
        /// What was being encoded or decoded.
        what: String,
        /// The cause.
        source: CodecError,
        /// Whether the handler may have run.
        maybe_executed: bool,
    },
    /// The handler panicked. Its node keeps running.
    #[error("the handler panicked on {peer}: {message}")]
    HandlerPanicked {
        /// The node that it ran on.
        peer: NodeId,
        /// The text of the panic.
        message: String,
    },
    /// A [`Hook`](crate::Hook) refused the call, before the handler ran.
    #[error("{peer} refused: {message} ({code})")]
    Refused {
        /// Whose hook: the instance's, or this node's own.
        peer: NodeId,
        /// What the rule is called, in numbers that its author chose.
        code: u32,
        /// Why, for people.
        message: String,
    },
    /// The queue of the instance is full.
    #[error("{peer}: {what}")]
    QueueFull {
        /// Whose queue.
        peer: NodeId,
        /// Which limit it has reached.
        what: String,
        /// Whether it is the queue of all instances, so that no other instance was tried.
        shared: bool,
    },
    /// The queue of the instance failed to accept the job.
    #[error("the queue of {peer} failed: {message}")]
    Queue {
        /// Whose queue.
        peer: NodeId,
        /// The error of its engine.
        message: String,
    },
    /// This node, or the instance, is shutting down and takes no new calls.
    #[error("{who} is shutting down")]
    ShuttingDown {
        /// Which node.
        who: NodeId,
    },
}

/// Something behind a text, if it is there.
fn behind(text: &str, what: &Option<impl fmt::Display>) -> String {
    let what = what.as_ref();
    what.map(|what| format!("{text}{what}")).unwrap_or_default()
}

fn chosen(instance: &Option<InstanceId>) -> String {
    instance
        .as_ref()
        .map(|id| format!(" under the instance id `{id}`"))
        .unwrap_or_default()
}

impl CallError {
    /// Whether the handler may have run although no answer arrived, in any attempt if several instances were tried.
    /// `false` is certain: the call can be repeated without doing its work twice.
    pub fn maybe_executed(&self) -> bool {
        match self {
            Self::NoPeer { .. }
            | Self::TooFewPeers { .. }
            | Self::Denied { .. }
            | Self::Incompatible { .. }
            | Self::Refused { .. }
            | Self::QueueFull { .. }
            | Self::ShuttingDown { .. } => false,
            Self::Overloaded { maybe_executed, .. }
            | Self::LinkLost { maybe_executed, .. }
            | Self::DeadlineExceeded { maybe_executed, .. }
            | Self::Codec { maybe_executed, .. } => *maybe_executed,
            Self::Cancelled { .. } | Self::HandlerPanicked { .. } | Self::Queue { .. } => true,
        }
    }
}

/// Why a value could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value is bigger than a payload may be.
    #[error("{size} bytes are more than the limit of {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The value could not be encoded.
    #[error("encoding failed: {0}")]
    Encode(String),
    /// The bytes are not a value of this type.
    #[error("decoding failed: {0}")]
    Decode(String),
    /// The bytes were encoded for another declaration of the command: other arguments or types, or another `#[version]`.
    #[error("encoded for another declaration of the command: {found}, and here it is {expected}")]
    DeclaredOtherwise {
        /// The declaration that they were encoded for: version and fingerprint.
        found: String,
        /// The declaration here.
        expected: String,
    },
    /// Bytes were left over after the value.
    #[error("{0} bytes are left over after the value")]
    Trailing(usize),
}

/// Why a node or a master did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting is missing or invalid.
    #[error("{setting}: {problem}")]
    Config {
        /// Which setting, as method and environment variable.
        setting: &'static str,
        /// What is wrong, and how to fix it.
        problem: String,
    },
    /// The keys cannot be used.
    #[error("keys() or MESH_PUBLIC_KEY and MESH_PRIVATE_KEY: {0}")]
    Keys(#[source] KeysError),
    /// The port could not be bound.
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        /// The address asked for, with what to do about it if that is known.
        addr: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The master, or the discovery port, refused this node.
    #[error("the master at {addr} refused {node}: {refusal}")]
    Refused {
        /// The master, or its discovery port.
        addr: String,
        /// This node.
        node: NodeId,
        /// Why.
        refusal: Refusal,
    },
}

/// Why [`run_until_signal`](crate::Node::run_until_signal) ended without a signal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The process cannot listen for signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] std::io::Error),
    /// The node was refused for good.
    #[error("{node} can no longer do its work{}: {refusal}", behind(", refused by the master at ", .addr))]
    Refused {
        /// The node.
        node: NodeId,
        /// The address of the master, if it was the master that has refused.
        addr: Option<String>,
        /// Why.
        refusal: Refusal,
    },
}

/// Why a handshake was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The keys differ: another public name, or another private key.
    #[error(
        "the keys do not match: the public name or the private key differs; give both sides the same, by keys() or \
         MESH_PUBLIC_KEY and MESH_PRIVATE_KEY"
    )]
    WrongKey,
    /// The other side speaks another version of the protocol.
    #[error(
        "the other side speaks another version of the protocol: run versions of mesh-runtime with the same one"
    )]
    Version,
    /// The other side belongs to another mesh.
    #[error("the names of the meshes differ: does the address lead to another mesh?")]
    WrongMesh,
    /// The schema there has no such node type.
    #[error("the schema there has no such node type: does it run an older version?")]
    UnknownNodeType,
    /// The schema there has no such link.
    #[error("the schema there allows no link from this node type")]
    NotAllowed,
    /// The node that answered is not the one that was dialled.
    #[error("another node answers at this address")]
    WrongTarget,
    /// There is a node with the same id and a higher boot epoch.
    #[error(
        "a newer node with the same instance id has taken the place: give each its own instance() or MESH_INSTANCE"
    )]
    Replaced,
    /// There already is a link between the two nodes, and it stays open.
    #[error("the two are linked already")]
    Duplicate,
    /// The other side is shutting down.
    #[error("the other side is shutting down")]
    ShuttingDown,
    /// The other side has no room for another link.
    #[error("the other side has no room for another link")]
    Full,
    /// The other side does not know this kind of handshake.
    #[error("the other side does not know this kind of handshake")]
    HandshakeKind,
    /// The other side has no links with members of this role.
    #[error("the other side has no links with members of this role")]
    Role,
    /// The handshake message was damaged.
    #[error("the handshake was damaged")]
    Malformed,
}

impl Refusal {
    /// Whether the other side may accept later what it refuses now.
    pub(crate) fn is_temporary(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Full | Self::Duplicate)
    }
}

/// How a queued job failed. Any error converts with `?` into a `JobError` that lets the job be tried again.
///
/// ```
/// use mesh_runtime::JobError;
/// fn job() -> Result<(), JobError> {
///     let day: u32 = "17".parse()?;
///     if day > 31 {
///         return Err(JobError::discard("there is no such day"));
///     }
///     Ok(())
/// }
/// # job().unwrap();
/// ```
pub struct JobError {
    retry: bool,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl JobError {
    /// The job is tried again after its backoff, until its attempts are used up.
    pub fn retry(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            retry: true,
            source: error.into(),
        }
    }

    /// The job goes to the dead letters at once, because another attempt would fail too.
    pub fn discard(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            retry: false,
            source: error.into(),
        }
    }

    /// Whether the job is tried again.
    pub fn is_retry(&self) -> bool {
        self.retry
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.retry { "retry" } else { "discard" };
        write!(f, "{kind}: {:?}", self.source)
    }
}
