//! The part of a node that its calls and its handlers see: its id, the node types that it calls, and what is under way.
//! They see neither the table of links nor the keys, nor how the node is registered.

use std::{collections::HashMap, sync::Arc};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    balance::Balance,
    callee::Callee,
    id::NodeId,
    schema::{NodeSpec, Schema},
};

/// What callers and handlers share of their node.
pub(crate) struct LocalNode {
    pub(crate) id: NodeId,
    /// How balanced calls are spread, unless the call says otherwise.
    pub(crate) balance: Balance,
    /// Calls of this node that are under way.
    pub(crate) calls: TaskTracker,
    /// Handlers that are running.
    pub(crate) handlers: TaskTracker,
    /// Cancelled when the node takes no new calls.
    pub(crate) draining: CancellationToken,
    /// Cancelled when the node is to end.
    pub(crate) closed: CancellationToken,
    callees: HashMap<&'static str, Arc<Callee>>,
}

impl LocalNode {
    pub(crate) fn new(id: NodeId, schema: &'static Schema, balance: Balance) -> Self {
        let callees = schema.nodes.iter();
        Self {
            id,
            balance,
            calls: TaskTracker::new(),
            handlers: TaskTracker::new(),
            draining: CancellationToken::new(),
            closed: CancellationToken::new(),
            callees: callees
                .map(|spec| (spec.name, Arc::new(Callee::new(spec))))
                .collect(),
        }
    }

    /// The given node type, as a callee of this node.
    pub(crate) fn callee(&self, spec: &'static NodeSpec) -> Arc<Callee> {
        self.callee_named(spec.name)
            .cloned()
            .unwrap_or_else(|| Arc::new(Callee::new(spec)))
    }

    /// The callee with this name, if the schema has such a node type.
    pub(crate) fn callee_named(&self, node_type: &str) -> Option<&Arc<Callee>> {
        self.callees.get(node_type)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}
