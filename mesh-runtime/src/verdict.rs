//! Which commands may be called over one link. This is decided once, when the link is created. Pure: it knows the
//! schema and what the two ends declare about their commands, but nothing of links.

use std::collections::HashMap;

use crate::schema::{NodeSpec, Schema};

/// How many commands a warning names.
const MAX_NAMES: usize = 20;

/// Whether a command may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// The schema does not allow the caller to call it.
    Denied,
    /// The callee declares it differently, or not at all.
    Incompatible,
}

/// The two ends of a link, as far as the verdicts depend on them.
pub(crate) struct Ends<'a> {
    pub(crate) schema: &'static Schema,
    /// The node type of this end.
    pub(crate) own: &'a str,
    /// The node type of the other end.
    pub(crate) peer: &'a str,
    /// Id and fingerprint of each command of the peer's node type, as they are known here.
    pub(crate) known: &'a [(u32, u64)],
    /// Id and fingerprint of each command of the peer, as the peer declares them.
    pub(crate) declared: &'a [(u32, u64)],
}

/// The verdicts on both directions of one link.
#[derive(Debug)]
pub(crate) struct Verdicts {
    /// On the peer's commands, called by this node.
    outgoing: Table,
    /// On this node's commands, called by the peer.
    incoming: Table,
}

impl Verdicts {
    pub(crate) fn new(ends: &Ends<'_>) -> Self {
        let spec = |name: &str| ends.schema.node(name);
        let declared: HashMap<u32, u64> = ends.declared.iter().copied().collect();
        Self {
            outgoing: Table::new(ends.known.iter().map(|(command, fingerprint)| {
                let verdict = match access(ends.schema, ends.own, spec(ends.peer), *command) {
                    Verdict::Allowed if declared.get(command) != Some(fingerprint) => {
                        Verdict::Incompatible
                    }
                    verdict => verdict,
                };
                (*command, verdict)
            })),
            incoming: Table::new(
                spec(ends.own)
                    .map_or(&[][..], |own| own.commands)
                    .iter()
                    .map(|command| {
                        let verdict = access(ends.schema, ends.peer, spec(ends.own), command.id);
                        (command.id, verdict)
                    }),
            ),
        }
    }

    /// Those on the link of an operator, who may call every command of this node type and has none. Without one, nothing
    /// may be called.
    pub(crate) fn allowing(own: Option<&NodeSpec>) -> Self {
        let commands = own.map_or(&[][..], |own| own.commands);
        Self {
            outgoing: Table::new(std::iter::empty()),
            incoming: Table::new(
                commands
                    .iter()
                    .map(|command| (command.id, Verdict::Allowed)),
            ),
        }
    }

    /// Whether this node may call that command of the peer.
    pub(crate) fn outgoing(&self, command: u32) -> Verdict {
        self.outgoing.of(command)
    }

    /// Whether the peer may call that command of this node.
    pub(crate) fn incoming(&self, command: u32) -> Verdict {
        self.incoming.of(command)
    }

    /// The peer's commands that this node may call, and that the peer declares differently than they are known here, or
    /// not at all.
    pub(crate) fn incompatible(&self) -> impl Iterator<Item = u32> {
        self.outgoing.all(Verdict::Incompatible)
    }

    /// The names of these commands of the peer's node type, for people. `None` if there are none.
    pub(crate) fn incompatible_names(&self, peer: &NodeSpec) -> Option<String> {
        let commands = self.incompatible().filter_map(|id| peer.command(id));
        let mut names: Vec<_> = commands.map(|command| command.name.to_owned()).collect();
        let more = names.len().saturating_sub(MAX_NAMES);
        names.truncate(MAX_NAMES);
        if more > 0 {
            names.push(format!("and {more} more"));
        }
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Whether a call of this node can be served by the peer. Also true if the schema has no such calls.
    pub(crate) fn serves_any(&self) -> bool {
        self.outgoing.all(Verdict::Allowed).next().is_some() || self.incompatible().next().is_none()
    }
}

fn access(schema: &Schema, caller: &str, callee: Option<&NodeSpec>, command: u32) -> Verdict {
    let allowed = callee.is_some_and(|callee| {
        let command = callee.command(command);
        schema.may_call(caller, callee.name)
            && command.is_some_and(|command| command.allows(caller))
    });
    if allowed {
        Verdict::Allowed
    } else {
        Verdict::Denied
    }
}

/// Verdicts, sorted by the ids of their commands.
#[derive(Debug)]
struct Table(Box<[(u32, Verdict)]>);

impl Table {
    fn new(verdicts: impl Iterator<Item = (u32, Verdict)>) -> Self {
        let mut verdicts: Vec<_> = verdicts.collect();
        verdicts.sort_unstable_by_key(|(command, _)| *command);
        Self(verdicts.into())
    }

    /// The commands with this verdict.
    fn all(&self, verdict: Verdict) -> impl Iterator<Item = u32> {
        let same = self.0.iter().filter(move |(_, other)| *other == verdict);
        same.map(|(command, _)| *command)
    }

    /// A command that is not in the schema here is incompatible.
    fn of(&self, command: u32) -> Verdict {
        match self.0.binary_search_by_key(&command, |(id, _)| *id) {
            Ok(index) => self.0[index].1,
            Err(_) => Verdict::Incompatible,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{CommandSpec, Delivery};

    const OPEN: CommandSpec = CommandSpec::new("open", 1, 0, Delivery::Balanced, &[], "()");
    const NARROW: CommandSpec =
        CommandSpec::new("narrow", 2, 0, Delivery::Balanced, &[], "()").allow(&["Audit"]);
    const GATEWAY: NodeSpec = NodeSpec::new("Gateway", "", &["Billing"], &[]);
    const AUDIT: NodeSpec = NodeSpec::new("Audit", "", &["Billing"], &[]);
    const STRAY: NodeSpec = NodeSpec::new("Stray", "", &[], &[]);
    const BILLING: NodeSpec = NodeSpec::new("Billing", "", &[], &[OPEN, NARROW]);
    static SCHEMA: Schema = Schema::new("Shop", "", &[&GATEWAY, &AUDIT, &STRAY, &BILLING]);

    const KNOWN: &[(u32, u64)] = &[(1, 10), (2, 20)];

    fn verdicts(own: &str, peer: &str, declared: &[(u32, u64)]) -> Verdicts {
        Verdicts::new(&Ends {
            schema: &SCHEMA,
            own,
            peer,
            known: if peer == "Billing" { KNOWN } else { &[] },
            declared,
        })
    }

    #[test]
    fn a_command_is_allowed_where_the_schema_and_its_list_allow_it() {
        for (caller, open, narrow) in [
            ("Gateway", Verdict::Allowed, Verdict::Denied),
            ("Audit", Verdict::Allowed, Verdict::Allowed),
            ("Stray", Verdict::Denied, Verdict::Denied),
        ] {
            let calling = verdicts(caller, "Billing", KNOWN);
            assert_eq!(calling.outgoing(1), open, "{caller}");
            assert_eq!(calling.outgoing(2), narrow, "{caller}");
            let called = verdicts("Billing", caller, &[]);
            assert_eq!(called.incoming(1), open, "{caller}");
            assert_eq!(called.incoming(2), narrow, "{caller}");
        }
    }

    #[test]
    fn a_command_that_the_peer_declares_otherwise_or_not_at_all_is_incompatible() {
        let calling = verdicts("Audit", "Billing", &[(1, 11)]);
        assert_eq!(calling.outgoing(1), Verdict::Incompatible);
        assert_eq!(calling.outgoing(2), Verdict::Incompatible);
        assert_eq!(calling.incompatible().collect::<Vec<_>>(), [1, 2]);
        assert!(!calling.serves_any());
        // What this node may not call does not matter to it.
        let calling = verdicts("Gateway", "Billing", &[(1, 10)]);
        assert_eq!(calling.outgoing(2), Verdict::Denied);
        assert_eq!(calling.incompatible().count(), 0);
        assert!(calling.serves_any());
        let calling = verdicts("Audit", "Billing", &[(1, 10)]);
        assert_eq!(calling.incompatible().collect::<Vec<_>>(), [2]);
        assert!(calling.serves_any());
    }

    #[test]
    fn incompatible_commands_are_named() {
        let names = |own, declared| verdicts(own, "Billing", declared).incompatible_names(&BILLING);
        assert_eq!(names("Audit", &[(1, 10)]).as_deref(), Some("narrow"));
        assert_eq!(names("Audit", &[]).as_deref(), Some("open, narrow"));
        assert_eq!(names("Gateway", &[(1, 10)]), None);
    }

    #[test]
    fn a_peer_without_commands_serves_all_that_there_is() {
        assert!(verdicts("Billing", "Gateway", &[]).serves_any());
    }

    #[test]
    fn a_command_that_nobody_knows_is_incompatible() {
        assert_eq!(
            verdicts("Audit", "Billing", KNOWN).outgoing(3),
            Verdict::Incompatible
        );
        assert_eq!(
            verdicts("Billing", "Audit", &[]).incoming(3),
            Verdict::Incompatible
        );
    }
}
