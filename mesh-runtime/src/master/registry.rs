//! The registry as pure state: which nodes are registered, and which nodes must be notified of which others. It is
//! generic over the session type, so that the rules can be tested without sockets.

use std::collections::{BTreeMap, HashMap};

use crate::{
    id::{BootEpoch, NodeId},
    schema::Schema,
    wire::control::{Change, PeerEntry},
};

/// A registered node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Node type and instance id.
    pub id: NodeId,
    /// When it was started.
    pub epoch: BootEpoch,
    /// The host that others dial.
    pub host: String,
    /// The port that others dial. 0 if nobody can: no other node is told of this one, and it dials all of its peers.
    pub port: u16,
}

impl NodeInfo {
    pub(crate) fn new(id: NodeId, epoch: BootEpoch, host: String, port: u16) -> Self {
        Self {
            id,
            epoch,
            host,
            port,
        }
    }

    fn entry(&self) -> PeerEntry {
        PeerEntry {
            node: self.id.clone(),
            epoch: self.epoch,
            host: self.host.clone(),
            port: self.port,
        }
    }
}

struct RegistryEntry<S> {
    info: NodeInfo,
    session: S,
    /// The number of the last change that was sent to the node.
    seq: u64,
    /// The node takes no new calls, so it is announced to nobody.
    draining: bool,
}

impl<S> RegistryEntry<S> {
    /// Whether others are told of it.
    fn is_listed(&self) -> bool {
        self.info.port != 0 && !self.draining
    }
}

/// The registry of a master.
pub(crate) struct Registry<S> {
    schema: &'static Schema,
    /// By node type, so that the nodes to notify are found without a search through all nodes.
    nodes: HashMap<&'static str, BTreeMap<NodeId, RegistryEntry<S>>>,
}

/// A change, the session to send it to, and the number of the change in that session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice<S> {
    pub(crate) session: S,
    pub(crate) seq: u64,
    pub(crate) change: Change,
}

/// The result of a registration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Joined<S> {
    /// The node is registered.
    In {
        /// The session of an earlier node with the same id. It must be told that it was replaced.
        replaced: Option<S>,
        notices: Vec<Notice<S>>,
    },
    /// A node with the same id and a higher boot epoch is registered. Also returned if the schema has no such node
    /// type.
    Stale,
}

impl<S: Clone + PartialEq> Registry<S> {
    pub(crate) fn new(schema: &'static Schema) -> Self {
        Self {
            schema,
            nodes: schema
                .nodes
                .iter()
                .map(|node| (node.name, BTreeMap::new()))
                .collect(),
        }
    }

    /// Registers a node.
    pub(crate) fn join(&mut self, info: NodeInfo, session: S) -> Joined<S> {
        let Some(nodes) = self.nodes.get_mut(&*info.id.node_type) else {
            return Joined::Stale;
        };
        if nodes
            .get(&info.id)
            .is_some_and(|there| there.info.epoch > info.epoch)
        {
            return Joined::Stale;
        }
        let up = Change::Up(info.entry());
        let id = info.id.clone();
        let entry = RegistryEntry {
            info,
            session: session.clone(),
            seq: 0,
            draining: false,
        };
        let is_listed = entry.is_listed();
        let old = nodes.insert(id.clone(), entry);
        let notices = if is_listed {
            self.tell(&id, &up)
        } else if old.as_ref().is_some_and(RegistryEntry::is_listed) {
            self.tell(&id, &Change::Down(id.clone()))
        } else {
            Vec::new()
        };
        let replaced = old.map(|old| old.session);
        Joined::In {
            replaced: replaced.filter(|old| *old != session),
            notices,
        }
    }

    /// Removes a node if this is still its session. Returns `None` if it is not.
    pub(crate) fn leave(&mut self, id: &NodeId, session: &S) -> Option<Vec<Notice<S>>> {
        let nodes = self.nodes.get_mut(&*id.node_type)?;
        if nodes.get(id)?.session != *session {
            return None;
        }
        let was_listed = nodes.remove(id).is_some_and(|entry| entry.is_listed());
        Some(if was_listed {
            self.tell(id, &Change::Down(id.clone()))
        } else {
            Vec::new()
        })
    }

    /// Marks a node that takes no new calls, so that others do not dial it any more.
    pub(crate) fn drain(&mut self, id: &NodeId, session: &S) -> Vec<Notice<S>> {
        let entry = self
            .nodes
            .get_mut(&*id.node_type)
            .and_then(|nodes| nodes.get_mut(id));
        match entry {
            Some(entry) if entry.session == *session && entry.is_listed() => {
                entry.draining = true;
                self.tell(id, &Change::Down(id.clone()))
            }
            _ => Vec::new(),
        }
    }

    /// All nodes that a node may dial, and the number of the last change that is included.
    pub(crate) fn view(&self, id: &NodeId) -> (u64, Vec<PeerEntry>) {
        let seq = self.entry(id).map_or(0, |entry| entry.seq);
        let links_to = self
            .schema
            .node(&id.node_type)
            .map_or(&[][..], |spec| spec.links_to);
        let peers = links_to
            .iter()
            .filter_map(|to| self.nodes.get(to))
            .flat_map(BTreeMap::values)
            .filter(|entry| entry.info.id != *id && entry.is_listed())
            .map(|entry| entry.info.entry())
            .collect();
        (seq, peers)
    }

    /// How many nodes are registered.
    pub(crate) fn len(&self) -> usize {
        self.nodes.values().map(BTreeMap::len).sum()
    }

    /// Every registered node, by node type and instance id.
    pub(crate) fn nodes(&self) -> Vec<NodeInfo> {
        self.entries().map(|entry| entry.info.clone()).collect()
    }

    /// The same, and whether they take no new calls.
    pub(crate) fn states(&self) -> impl Iterator<Item = (&NodeInfo, bool)> {
        self.entries().map(|entry| (&entry.info, entry.draining))
    }

    fn entries(&self) -> impl Iterator<Item = &RegistryEntry<S>> {
        self.schema
            .nodes
            .iter()
            .filter_map(|spec| self.nodes.get(spec.name))
            .flat_map(BTreeMap::values)
    }

    fn entry(&self, id: &NodeId) -> Option<&RegistryEntry<S>> {
        self.nodes.get(&*id.node_type)?.get(id)
    }

    /// Creates notices of a change to `about`, for all nodes that may dial it.
    fn tell(&mut self, about: &NodeId, change: &Change) -> Vec<Notice<S>> {
        let mut notices = Vec::new();
        for spec in self.schema.nodes {
            if !spec.links_to.contains(&&*about.node_type) {
                continue;
            }
            let Some(nodes) = self.nodes.get_mut(spec.name) else {
                continue;
            };
            for entry in nodes.values_mut().filter(|entry| entry.info.id != *about) {
                entry.seq += 1;
                notices.push(Notice {
                    session: entry.session.clone(),
                    seq: entry.seq,
                    change: change.clone(),
                });
            }
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::NodeSpec;

    /// A dials B; B dials B.
    static SCHEMA: Schema = Schema::new(
        "Test",
        "",
        &[
            &NodeSpec::new("A", "", &["B"], &[]),
            &NodeSpec::new("B", "", &["B"], &[]),
        ],
    );

    fn info(node_type: &str, instance: &str, started_ms: u64) -> NodeInfo {
        let epoch = BootEpoch {
            started_ms,
            random: 0,
        };
        NodeInfo::new(NodeId::new(node_type, instance), epoch, "host".into(), 1)
    }

    fn told(joined: Joined<u8>) -> Vec<(u8, u64)> {
        match joined {
            Joined::In { notices, .. } => notices
                .iter()
                .map(|notice| (notice.session, notice.seq))
                .collect(),
            Joined::Stale => panic!("stale"),
        }
    }

    #[test]
    fn only_those_who_may_dial_a_node_are_told_and_each_in_its_own_numbers() {
        let mut registry = Registry::new(&SCHEMA);
        assert_eq!(told(registry.join(info("A", "a", 1), 1)), []);
        assert_eq!(told(registry.join(info("B", "b1", 1), 2)), [(1, 1)]);
        assert_eq!(told(registry.join(info("B", "b2", 1), 3)), [(1, 2), (2, 1)]);
        assert_eq!(registry.view(&NodeId::new("A", "a")).0, 2);
    }

    #[test]
    fn a_view_holds_whom_a_node_may_dial_and_never_the_node_itself() {
        let mut registry = Registry::new(&SCHEMA);
        registry.join(info("A", "a", 1), 1);
        registry.join(info("B", "b1", 1), 2);
        registry.join(info("B", "b2", 1), 3);
        let names = |node_type: &str, instance: &str| -> Vec<String> {
            let (_, peers) = registry.view(&NodeId::new(node_type, instance));
            peers.iter().map(|peer| peer.node.to_string()).collect()
        };
        assert_eq!(names("A", "a"), ["B/b1", "B/b2"]);
        assert_eq!(names("B", "b1"), ["B/b2"]);
    }

    #[test]
    fn the_later_boot_replaces_and_the_earlier_one_is_stale() {
        let mut registry = Registry::new(&SCHEMA);
        registry.join(info("B", "b", 1), 1);
        let joined = registry.join(info("B", "b", 2), 2);
        assert!(matches!(
            joined,
            Joined::In {
                replaced: Some(1),
                ..
            }
        ));
        assert_eq!(registry.join(info("B", "b", 1), 3), Joined::Stale);
    }

    #[test]
    fn the_end_of_a_replaced_session_takes_nobody_out() {
        let mut registry = Registry::new(&SCHEMA);
        registry.join(info("A", "a", 1), 9);
        registry.join(info("B", "b", 1), 1);
        registry.join(info("B", "b", 2), 2);
        let id = NodeId::new("B", "b");
        assert_eq!(registry.leave(&id, &1), None);
        assert_eq!((registry.len(), registry.nodes().len()), (2, 2));
        assert_eq!(
            registry.leave(&id, &2).map(|notices| notices.len()),
            Some(1)
        );
        assert_eq!((registry.len(), registry.nodes().len()), (1, 1));
    }

    #[test]
    fn of_a_node_that_nobody_can_dial_nobody_is_told() {
        let mut registry = Registry::new(&SCHEMA);
        let dial_only = |started_ms| NodeInfo {
            port: 0,
            ..info("B", "b", started_ms)
        };
        registry.join(info("A", "a", 1), 1);
        assert_eq!(told(registry.join(dial_only(1), 2)), []);
        assert_eq!(registry.view(&info("A", "a", 1).id).1, []);
        assert_eq!(registry.len(), 1 + 1);
        assert_eq!(registry.leave(&dial_only(1).id, &2), Some(Vec::new()));
        // Others learn that an earlier node of that id, which they could dial, is gone.
        assert_eq!(told(registry.join(info("B", "b", 2), 3)), [(1, 1)]);
        assert_eq!(told(registry.join(dial_only(3), 4)), [(1, 2)]);
        assert_eq!(registry.view(&info("A", "a", 1).id).1, []);
        assert_eq!(registry.drain(&dial_only(3).id, &4), []);
    }

    #[test]
    fn of_a_draining_node_others_are_told_once_and_newcomers_never() {
        let mut registry = Registry::new(&SCHEMA);
        registry.join(info("A", "a", 1), 1);
        registry.join(info("B", "b", 1), 2);
        let id = NodeId::new("B", "b");
        assert_eq!(registry.drain(&id, &2).len(), 1);
        assert_eq!(registry.drain(&id, &2).len(), 0);
        assert!(registry.view(&NodeId::new("A", "a")).1.is_empty());
        assert_eq!(registry.leave(&id, &2), Some(Vec::new()));
    }
}
