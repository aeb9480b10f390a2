//! The commands of a node type, as their callers see them: the round-robin position, and what counts the calls.

use std::sync::atomic::AtomicUsize;

use crate::{
    id::CommandName,
    metrics::{CommandMetrics, CommandRecorder, Direction, LazyRecorder},
    schema::NodeSpec,
};

/// The commands of a node type, sorted by id.
pub(super) struct CalledCommands(Box<[CalledCommand]>);

struct CalledCommand {
    id: u32,
    name: CommandName,
    cursor: AtomicUsize,
    calls: LazyRecorder,
}

impl CalledCommands {
    pub(super) fn new(spec: &'static NodeSpec) -> Self {
        let called = spec.commands.iter().map(|command| CalledCommand {
            id: command.id,
            name: CommandName {
                node_type: spec.name,
                name: command.name,
            },
            cursor: AtomicUsize::new(0),
            calls: LazyRecorder::default(),
        });
        let mut called: Box<[_]> = called.collect();
        called.sort_unstable_by_key(|called| called.id);
        Self(called)
    }

    /// The round-robin position of a command.
    #[inline]
    pub(super) fn cursor(&self, id: u32) -> &AtomicUsize {
        static OTHER: AtomicUsize = AtomicUsize::new(0);
        self.find(id).map_or(&OTHER, |called| &called.cursor)
    }

    /// What counts the calls of a command, if the node type has it.
    #[inline]
    pub(super) fn recorder(&self, id: u32) -> Option<&CommandRecorder> {
        self.find(id).map(|called| &**called.calls.get())
    }

    /// What was counted of each command that was called.
    pub(super) fn metrics(&self) -> impl Iterator<Item = CommandMetrics> {
        let called = self.0.iter();
        called.filter_map(|called| called.calls.snapshot(called.name, Direction::Client))
    }

    #[inline]
    fn find(&self, id: u32) -> Option<&CalledCommand> {
        let found = self.0.binary_search_by_key(&id, |called| called.id);
        found.ok().map(|index| &self.0[index])
    }
}
