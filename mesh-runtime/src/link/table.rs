//! The linked peers, as pure state. There is one link for each pair of nodes, and a later boot of a node takes
//! precedence over an earlier one. The table is generic over the link type, so that the rules can be tested without
//! real links.

use std::collections::BTreeMap;

use crate::{
    close::CloseCode,
    id::{BootEpoch, NodeId},
    link::link::Role,
};

/// What the table knows of one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) epoch: BootEpoch,
    pub(crate) role: Role,
}

/// The decision on a new link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission<L> {
    /// It is the first link of the pair.
    First,
    /// It replaces this link, which is to be closed with that code.
    Replaces(L, CloseCode),
    /// The existing link stays, and the new one is refused with this code.
    Refused(CloseCode),
}

/// The links of one node, by their other end.
pub(crate) struct Table<L> {
    own: NodeId,
    links: BTreeMap<NodeId, (Standing, L)>,
}

impl<L: Clone + PartialEq> Table<L> {
    pub(crate) fn new(own: NodeId) -> Self {
        Self {
            own,
            links: BTreeMap::new(),
        }
    }

    /// Adds a link that both sides have confirmed, if it may stay.
    pub(crate) fn admit(&mut self, peer: &NodeId, standing: Standing, link: L) -> Admission<L> {
        let Some((there, _)) = self.links.get(peer) else {
            self.links.insert(peer.clone(), (standing, link));
            return Admission::First;
        };
        let closing = match there.epoch.cmp(&standing.epoch) {
            std::cmp::Ordering::Greater => return Admission::Refused(CloseCode::Replaced),
            std::cmp::Ordering::Less => CloseCode::Replaced,
            std::cmp::Ordering::Equal => {
                let crossed = there.role != standing.role;
                if crossed && !self.dialled_by_the_lower(peer, standing.role) {
                    return Admission::Refused(CloseCode::Duplicate);
                }
                // A node that has a link does not dial again. So its end of the earlier link is gone.
                CloseCode::Duplicate
            }
        };
        match self.links.insert(peer.clone(), (standing, link)) {
            Some((_, replaced)) => Admission::Replaces(replaced, closing),
            None => Admission::First,
        }
    }

    /// Removes a link. Returns false if it was not in the table, or is no longer in it.
    pub(crate) fn remove(&mut self, peer: &NodeId, link: &L) -> bool {
        let there = self.links.get(peer).is_some_and(|(_, there)| there == link);
        if there {
            self.links.remove(peer);
        }
        there
    }

    pub(crate) fn get(&self, peer: &NodeId) -> Option<&L> {
        self.links.get(peer).map(|(_, link)| link)
    }

    /// All links, in the order of their instance ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NodeId, &L)> {
        self.links.iter().map(|(peer, (_, link))| (peer, link))
    }

    fn dialled_by_the_lower(&self, peer: &NodeId, role: Role) -> bool {
        (self.own < *peer) == (role == Role::Dialled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: BootEpoch = BootEpoch {
        started_ms: 1,
        random: 0,
    };
    const LATER: BootEpoch = BootEpoch {
        started_ms: 2,
        random: 0,
    };

    fn table() -> Table<u8> {
        Table::new(NodeId::new("A", "m"))
    }

    fn standing(epoch: BootEpoch, role: Role) -> Standing {
        Standing { epoch, role }
    }

    #[test]
    fn when_two_dial_each_other_the_lower_ids_link_stays_whichever_comes_first() {
        let (lower, higher) = (NodeId::new("A", "a"), NodeId::new("A", "z"));
        for (peer, stays) in [(&lower, Role::Accepted), (&higher, Role::Dialled)] {
            let goes = if stays == Role::Accepted {
                Role::Dialled
            } else {
                Role::Accepted
            };
            let mut first = table();
            first.admit(peer, standing(EARLIER, stays), 1);
            assert_eq!(
                first.admit(peer, standing(EARLIER, goes), 2),
                Admission::Refused(CloseCode::Duplicate)
            );
            let mut second = table();
            second.admit(peer, standing(EARLIER, goes), 1);
            assert_eq!(
                second.admit(peer, standing(EARLIER, stays), 2),
                Admission::Replaces(1, CloseCode::Duplicate)
            );
        }
    }

    #[test]
    fn the_same_side_dialling_again_has_lost_its_first_link() {
        let mut table = table();
        let peer = NodeId::new("B", "b");
        assert_eq!(
            table.admit(&peer, standing(EARLIER, Role::Accepted), 1),
            Admission::First
        );
        assert_eq!(
            table.admit(&peer, standing(EARLIER, Role::Accepted), 2),
            Admission::Replaces(1, CloseCode::Duplicate)
        );
    }

    #[test]
    fn a_later_boot_replaces_and_an_earlier_one_is_refused() {
        let mut table = table();
        let peer = NodeId::new("B", "b");
        table.admit(&peer, standing(EARLIER, Role::Accepted), 1);
        assert_eq!(
            table.admit(&peer, standing(LATER, Role::Accepted), 2),
            Admission::Replaces(1, CloseCode::Replaced)
        );
        assert_eq!(
            table.admit(&peer, standing(EARLIER, Role::Accepted), 3),
            Admission::Refused(CloseCode::Replaced)
        );
    }

    #[test]
    fn a_replaced_link_does_not_take_the_new_one_out_when_it_ends() {
        let mut table = table();
        let peer = NodeId::new("B", "b");
        table.admit(&peer, standing(EARLIER, Role::Accepted), 1);
        table.admit(&peer, standing(LATER, Role::Accepted), 2);
        assert!(!table.remove(&peer, &1));
        assert_eq!(table.get(&peer), Some(&2));
        assert!(table.remove(&peer, &2));
        assert!(table.iter().next().is_none());
    }
}
