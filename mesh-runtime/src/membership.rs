//! How a node stands with its master and its peers: whether it is registered, and what keeps it from its links. Written
//! by what registers and dials, and read where someone waits for instances.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::id::NodeId;

/// How many obstacles are told. A mesh whose host is down has as many as it has instances.
const MAX_TOLD: usize = 3;

/// How a node stands with its master and its peers.
pub(crate) struct Membership {
    registered: watch::Sender<bool>,
    obstacles: Mutex<Obstacles>,
}

#[derive(Default)]
struct Obstacles {
    /// Why the master does not have this node in its registry.
    master: Option<String>,
    /// Why there is no link to a node that this one dials.
    peers: BTreeMap<NodeId, String>,
}

impl Membership {
    pub(crate) fn new() -> Self {
        Self {
            registered: watch::Sender::new(false),
            obstacles: Mutex::default(),
        }
    }

    /// Whether the master has this node in its registry, as far as is known.
    pub(crate) fn is_registered(&self) -> bool {
        *self.registered.borrow()
    }

    /// Waits until the master has this node in its registry. Cancel safe.
    pub(crate) async fn registered(&self) {
        let mut registered = self.registered.subscribe();
        // The sender lives as long as this.
        let _ = registered.wait_for(|registered| *registered).await;
    }

    /// The master has this node in its registry.
    pub(crate) fn set_registered(&self) {
        self.obstacles().master = None;
        self.registered.send_replace(true);
    }

    /// The master does not have this node in its registry, or cannot be reached, because of `why`.
    pub(crate) fn not_registered(&self, why: String) {
        self.obstacles().master = Some(why);
        self.registered.send_replace(false);
    }

    /// `peer` is being dialled, perhaps once more: what was in the way before is told until this attempt has ended.
    pub(crate) fn dials(&self, peer: &NodeId) {
        let mut obstacles = self.obstacles();
        let obstacle = obstacles.peers.entry(peer.clone());
        obstacle.or_insert_with(|| "it is being dialled".to_owned());
    }

    /// There is no link to `peer` because of `why`.
    pub(crate) fn not_linked(&self, peer: &NodeId, why: String) {
        self.obstacles().peers.insert(peer.clone(), why);
    }

    /// `peer` is linked, or no longer to be dialled.
    pub(crate) fn settled(&self, peer: &NodeId) {
        self.obstacles().peers.remove(peer);
    }

    /// Why the master does not have this node in its registry, if that is known.
    pub(crate) fn master_obstacle(&self) -> Option<String> {
        self.obstacles().master.clone()
    }

    /// Why there is no link to nodes of this type, in one text for each, and in one for those that are left out. A peer
    /// may be linked by now: it may have dialled itself.
    pub(crate) fn peer_obstacles(
        &self,
        node_type: &str,
        is_linked: impl Fn(&NodeId) -> bool,
    ) -> Vec<String> {
        let obstacles = self.obstacles();
        let mut of_type = obstacles
            .peers
            .iter()
            .filter(|(peer, _)| &*peer.node_type == node_type && !is_linked(peer));
        let told = of_type.by_ref().take(MAX_TOLD);
        let mut told: Vec<_> = told.map(|(peer, why)| format!("{peer}: {why}")).collect();
        match of_type.count() {
            0 => {}
            more => told.push(format!("and {more} more")),
        }
        told
    }

    fn obstacles(&self) -> MutexGuard<'_, Obstacles> {
        self.obstacles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obstacles_are_told_by_type_and_no_more_than_a_few() {
        let membership = Membership::new();
        for number in 0..5 {
            let peer = NodeId::new("Billing", format!("b{number}"));
            membership.not_linked(&peer, "refused".into());
        }
        membership.not_linked(&NodeId::new("Audit", "a"), "unknown host".into());
        membership.settled(&NodeId::new("Billing", "b0"));
        membership.dials(&NodeId::new("Billing", "b1"));
        let none = |_: &NodeId| false;
        assert_eq!(
            membership.peer_obstacles("Billing", none),
            [
                "Billing/b1: refused",
                "Billing/b2: refused",
                "Billing/b3: refused",
                "and 1 more"
            ]
        );
        assert_eq!(
            membership.peer_obstacles("Audit", none),
            ["Audit/a: unknown host"]
        );
        assert!(membership.peer_obstacles("Stock", none).is_empty());
        assert!(membership.peer_obstacles("Billing", |_| true).is_empty());
        membership.dials(&NodeId::new("Stock", "s"));
        let dialled = ["Stock/s: it is being dialled"];
        assert_eq!(membership.peer_obstacles("Stock", none), dialled);
    }

    #[test]
    fn once_it_is_registered_nothing_is_in_the_way() {
        let membership = Membership::new();
        membership.not_registered("connection refused".into());
        assert!(!membership.is_registered());
        assert!(membership.master_obstacle().is_some());
        membership.set_registered();
        assert!(membership.is_registered());
        assert_eq!(membership.master_obstacle(), None);
    }
}
