//! The built-in commands: their numbers on the wire, their names, and who may call them.

/// Ids below this one are reserved for built-in commands. No command of a schema has one.
pub(crate) const RESERVED: u32 = 256;

/// What a member may do on a link that it opened to look at a node or master, or to steer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It may look at everything, steer, and call the commands of the schema.
    Operator,
    /// It sees names, structures and counts, and no arguments or texts of errors.
    Observer,
}

/// A built-in command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    Describe,
    Stats,
    Links,
    Health,
    Events,
    Drain,
    Metrics,
    QueueList,
    QueueGet,
    QueueRequeue,
    QueueRemove,
    QueuePurge,
    QueuePause,
    QueueResume,
}

/// Id, name, and whether observers may call it. Ids never change their meaning.
const ALL: [(BuiltIn, u32, &str, bool); 14] = [
    (BuiltIn::Describe, 1, "describe", true),
    (BuiltIn::Stats, 2, "stats", true),
    (BuiltIn::Links, 3, "links", true),
    (BuiltIn::Health, 4, "health", true),
    (BuiltIn::Events, 5, "events", true),
    (BuiltIn::Drain, 6, "drain", false),
    (BuiltIn::Metrics, 7, "metrics", true),
    (BuiltIn::QueueList, 16, "queue list", false),
    (BuiltIn::QueueGet, 17, "queue get", false),
    (BuiltIn::QueueRequeue, 18, "queue requeue", false),
    (BuiltIn::QueueRemove, 19, "queue remove", false),
    (BuiltIn::QueuePurge, 20, "queue purge", false),
    (BuiltIn::QueuePause, 21, "queue pause", false),
    (BuiltIn::QueueResume, 22, "queue resume", false),
];

impl BuiltIn {
    pub(crate) fn from_id(id: u32) -> Option<Self> {
        let mut all = ALL.iter();
        all.find(|(_, known, ..)| *known == id)
            .map(|(command, ..)| *command)
    }

    #[cfg(feature = "operator")]
    pub(crate) fn id(self) -> u32 {
        self.entry().1
    }

    pub(crate) fn name(self) -> &'static str {
        self.entry().2
    }

    pub(crate) fn is_allowed(self, access: Access) -> bool {
        access == Access::Operator || self.entry().3
    }

    fn entry(self) -> &'static (Self, u32, &'static str, bool) {
        let mut all = ALL.iter();
        all.find(|(command, ..)| *command == self)
            .unwrap_or(&ALL[0])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_reserved_and_differ() {
        let ids: HashSet<u32> = ALL.iter().map(|(_, id, ..)| *id).collect();
        assert_eq!(ids.len(), ALL.len());
        assert!(ids.iter().all(|id| *id < RESERVED));
        for (command, id, name, _) in ALL {
            assert_eq!(BuiltIn::from_id(id), Some(command));
            assert_eq!(command.name(), name);
        }
        assert_eq!(BuiltIn::from_id(8), None);
    }

    #[test]
    fn an_observer_steers_nothing_and_sees_no_job() {
        let allowed = ALL
            .iter()
            .filter(|(command, ..)| command.is_allowed(Access::Observer));
        let allowed: Vec<_> = allowed.map(|(_, _, name, _)| *name).collect();
        assert_eq!(
            allowed,
            ["describe", "stats", "links", "health", "events", "metrics"]
        );
    }
}
