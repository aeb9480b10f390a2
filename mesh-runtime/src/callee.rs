//! The instances of one node type, as their callers see them: which are linked, and whose turn it is. It does not know
//! how a link is made, or what a call over it does.

use std::sync::{Arc, atomic::AtomicUsize};

use arc_swap::ArcSwap;

use crate::{
    balance::{Candidate, Placing, pick},
    id::InstanceId,
    link::link::Link,
    rendezvous::Hashed,
    schema::NodeSpec,
};

/// A node type as seen by a caller.
pub(crate) struct Callee {
    spec: &'static NodeSpec,
    links: ArcSwap<Vec<Arc<Link>>>,
    /// The round-robin position of each command, by its id.
    cursors: Box<[(u32, AtomicUsize)]>,
}

impl Callee {
    pub(crate) fn new(spec: &'static NodeSpec) -> Self {
        Self {
            spec,
            links: ArcSwap::default(),
            cursors: spec
                .commands
                .iter()
                .map(|command| (command.id, AtomicUsize::new(0)))
                .collect(),
        }
    }

    pub(crate) fn node_type(&self) -> &'static str {
        self.spec.name
    }

    /// The links that may be used now, in the order of instance ids.
    pub(crate) fn links(&self) -> Arc<Vec<Arc<Link>>> {
        self.links.load_full()
    }

    pub(crate) fn set_links(&self, links: Vec<Arc<Link>>) {
        self.links.store(Arc::new(links));
    }

    /// Chooses the link that a call of `command` goes over, among those for which `usable` returns true and that may
    /// carry new calls.
    pub(crate) fn pick(
        &self,
        command: u32,
        placing: Placing<'_>,
        usable: impl Fn(&Arc<Link>) -> bool,
    ) -> Option<Arc<Link>> {
        let links = self.links.load();
        let usable = |link: &Arc<Link>| link.is_usable() && usable(link);
        pick(placing, self.cursor(command), &links, usable).cloned()
    }

    fn cursor(&self, command: u32) -> &AtomicUsize {
        static OTHER: AtomicUsize = AtomicUsize::new(0);
        self.cursors
            .iter()
            .find(|(id, _)| *id == command)
            .map_or(&OTHER, |(_, cursor)| cursor)
    }
}

impl Candidate for Arc<Link> {
    fn instance(&self) -> &InstanceId {
        &self.peer.id.instance
    }

    fn hashed(&self) -> Hashed {
        self.hashed
    }

    fn load(&self) -> usize {
        Link::load(self)
    }
}
