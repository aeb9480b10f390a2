//! The part of a node that its calls and its handlers see: its id, the node types that it calls, and what is under way.
//! They see neither the table of links nor the keys, nor how the node is registered.

use std::{collections::HashMap, sync::Arc};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    balance::Balance,
    callee::{Callee, CalleeOptions, InstanceHealth},
    hook::Hooks,
    id::NodeId,
    link::link::Link,
    membership::Membership,
    metrics::CommandMetrics,
    schema::{NodeSpec, Schema},
    trace::TracePropagator,
};

/// The settings of a [`LocalNode`].
pub(crate) struct LocalOptions {
    /// How balanced calls are spread, unless the call says otherwise.
    pub(crate) balance: Balance,
    pub(crate) callees: CalleeOptions,
    pub(crate) hooks: Hooks,
    pub(crate) propagator: Option<Arc<dyn TracePropagator>>,
}

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
    pub(crate) hooks: Hooks,
    pub(crate) propagator: Option<Arc<dyn TracePropagator>>,
    /// Whether this node is registered, and what keeps it from its links.
    pub(crate) membership: Membership,
    /// The node type, as in the schema.
    node_type: &'static str,
    callees: HashMap<&'static str, Arc<Callee>>,
    callee_options: CalleeOptions,
}

impl LocalNode {
    pub(crate) fn new(id: NodeId, schema: &'static Schema, options: LocalOptions) -> Self {
        let callees = schema.nodes.iter();
        let closed = CancellationToken::new();
        let callee_options = options.callees;
        let callee = |spec| {
            let options = callee_options.clone();
            Arc::new(Callee::new(spec, options, closed.clone()))
        };
        let callees = callees.map(|spec| (spec.name, callee(spec))).collect();
        let spec = schema.node(&id.node_type);
        Self {
            node_type: spec.map_or("", |spec| spec.name),
            hooks: options.hooks,
            propagator: options.propagator,
            id,
            balance: options.balance,
            calls: TaskTracker::new(),
            handlers: TaskTracker::new(),
            draining: CancellationToken::new(),
            membership: Membership::new(),
            closed,
            callees,
            callee_options,
        }
    }

    /// The node type of this node.
    pub(crate) fn node_type(&self) -> &'static str {
        self.node_type
    }

    /// The given node type, as a callee of this node.
    pub(crate) fn callee(&self, spec: &'static NodeSpec) -> Arc<Callee> {
        self.callee_named(spec.name).cloned().unwrap_or_else(|| {
            let options = self.callee_options.clone();
            Arc::new(Callee::new(spec, options, self.closed.clone()))
        })
    }

    /// The callee with this name, if the schema has such a node type.
    pub(crate) fn callee_named(&self, node_type: &str) -> Option<&Arc<Callee>> {
        self.callees.get(node_type)
    }

    /// How the other end of a link stands with callers of this node.
    pub(crate) fn health_of(&self, link: &Arc<Link>) -> InstanceHealth {
        let callee = self.callee_named(&link.peer.id.node_type);
        callee.map_or_else(InstanceHealth::default, |callee| callee.health(link))
    }

    /// The links that may be used now, in the order of node types and instance ids.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        let callees = self.callees.values();
        let mut links: Vec<_> = callees.flat_map(|callee| callee.links()).collect();
        links.sort_by(|one, other| one.peer.id.cmp(&other.peer.id));
        links
    }

    /// What was counted of the calls of this node.
    pub(crate) fn call_metrics(&self) -> impl Iterator<Item = CommandMetrics> {
        self.callees.values().flat_map(|callee| callee.metrics())
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}
