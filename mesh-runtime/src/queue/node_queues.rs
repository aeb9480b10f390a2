//! All queues of one node: the engine, and how the queue of a command is called in it.

use std::{fmt, sync::Arc};

use super::{CommandQueue, Declaration, Queue, QueueName};
use crate::{
    id::NodeId,
    keys::DerivedKeys,
    schema::{CommandSpec, Delivery},
};

/// The queues of a node. Written into by the macro; use [`Node::queues`](crate::Node::queues).
#[doc(hidden)]
#[derive(Clone)]
pub struct NodeQueues {
    engine: Arc<dyn Queue>,
    keys: Arc<DerivedKeys>,
    mesh: &'static str,
    node: NodeId,
    /// Id and fingerprint of each command of the node.
    fingerprints: Arc<[(u32, u64)]>,
}

/// A queue whose arguments nobody looks at: the node works on it as bytes.
pub(crate) type UntypedQueue = CommandQueue<()>;

impl NodeQueues {
    pub(crate) fn new(
        engine: Arc<dyn Queue>,
        keys: Arc<DerivedKeys>,
        mesh: &'static str,
        node: NodeId,
        fingerprints: &[(u32, u64)],
    ) -> Self {
        Self {
            engine,
            keys,
            mesh,
            node,
            fingerprints: fingerprints.into(),
        }
    }

    /// The queue of a queued command. `A` is the tuple of its arguments.
    pub(crate) fn of<A>(&self, command: &CommandSpec) -> CommandQueue<A> {
        let of_instance = command.delivery == Delivery::QueuedBroadcast;
        let name = QueueName {
            mesh: self.mesh.into(),
            node_type: Arc::clone(&self.node.node_type),
            command: command.name.into(),
            instance: of_instance.then(|| self.node.instance.clone()),
        };
        let mut fingerprints = self.fingerprints.iter();
        let known = fingerprints.find(|(id, _)| *id == command.id);
        let declaration = Declaration {
            fingerprint: known.map_or_else(|| command.wire_fingerprint(), |(_, known)| *known),
            version: command.version,
        };
        CommandQueue::new(Arc::clone(&self.engine), name, &self.keys, declaration)
    }
}

impl fmt::Debug for NodeQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeQueues")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}
