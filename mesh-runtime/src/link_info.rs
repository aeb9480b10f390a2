//! A link, as those who build and run a node see it.

use std::{sync::Arc, time::Duration};

use crate::{
    callee::InstanceHealth,
    id::NodeId,
    link::link::{Link, Role},
    local::LocalNode,
};

/// A link of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkInfo {
    /// The other end.
    pub id: NodeId,
    /// The address at which it was dialled, or from which it dialled.
    pub addr: String,
    /// Whether this node has dialled.
    pub dialled: bool,
    /// The number of calls of this node that wait for their answer on this link.
    pub in_flight: usize,
    /// How long the other end gets no balanced calls of this node, because calls to it failed
    /// ([`Event::InstanceRests`](crate::Event::InstanceRests)). Zero: its rest is over, and the next call decides. `None`: it does not rest.
    pub rests_for: Option<Duration>,
    /// Nothing is heard of the other end, so balanced calls of this node go to other instances, if there are any
    /// ([`Event::InstanceSilent`](crate::Event::InstanceSilent)).
    pub silent: bool,
}

impl LinkInfo {
    pub(crate) fn of(local: &LocalNode, link: &Arc<Link>) -> Self {
        let InstanceHealth { rests_for, silent } = local.health_of(link);
        Self {
            rests_for,
            silent,
            id: link.peer.id.clone(),
            addr: link.peer.addr.clone(),
            dialled: link.role == Role::Dialled,
            in_flight: link.load(),
        }
    }
}
