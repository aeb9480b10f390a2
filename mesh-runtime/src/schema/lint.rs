//! Finds declarations that the schema's rules allow but that the author probably did not intend. The macro refuses what
//! is wrong. The findings here are legal but useless, which may be on purpose while a mesh grows. The lint checks only
//! the declaration, not which nodes run.

use std::fmt;

use super::{CommandSpec, NodeSpec, Schema};

/// Something in a schema that is legal but useless; see [`Schema::lint`]. Its `Display` text says how to fix it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finding {
    /// A node type has commands, but no link in either direction: nobody can call it.
    Unreachable {
        /// The node type.
        node: &'static str,
    },
    /// A node type has neither commands nor links: nothing can be done with it.
    Isolated {
        /// The node type.
        node: &'static str,
    },
    /// An entry under `allow` names a node type that does not connect.
    UnusedGrant {
        /// The node type whose list it is.
        node: &'static str,
        /// The entry.
        dialer: &'static str,
    },
    /// A node type may call another only because the other dials it, and the other does not speak of it.
    ReverseCalls {
        /// Who may call.
        caller: &'static str,
        /// Who dials, and may be called.
        callee: &'static str,
    },
    /// Two node types link by name, but neither may call any command of the other.
    IdleLink {
        /// Who dials.
        from: &'static str,
        /// Who accepts.
        to: &'static str,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { node } => write!(
                f,
                "nobody can call `{node}`: it has commands and no link; list its callers under `allow` of `{node}` and \
                 `{node}` under their `connect`"
            ),
            Self::Isolated { node } => write!(
                f,
                "`{node}` has neither commands nor links: list under its `connect` whom it calls, and `{node}` under \
                 their `allow`, or drop it"
            ),
            Self::UnusedGrant { node, dialer } => write!(
                f,
                "`{node}` allows `{dialer}`, which does not connect to it: list `{node}` under `connect` of `{dialer}`, \
                 or drop `{dialer}` from `allow` of `{node}`"
            ),
            Self::IdleLink { from, to } if from == to => write!(
                f,
                "instances of `{from}` link to each other, and none may call another: let `#[allow(..)]` of a command \
                 list `{from}`, or drop `{from}` from its own `connect` and `allow`"
            ),
            Self::ReverseCalls { caller, callee } => write!(
                f,
                "`{caller}` may call `{callee}`, over the links that `{callee}` dials, although `allow` of `{callee}` does \
                 not list it: say so with `reverse: [{caller}];` in `{callee}`, or close it with `reverse: none;`"
            ),
            Self::IdleLink { from, to } => write!(
                f,
                "`{from}` connects to `{to}`, and neither may call a command of the other: let `#[allow(..)]` of a \
                 command list its caller, or drop `{to}` from `connect` of `{from}` and `{from}` from `allow` of `{to}`"
            ),
        }
    }
}

/// The same text: it is what a failed `assert_eq!(Shop::SCHEMA.lint(), [])` prints.
impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Schema {
    /// Finds what is legal but useless in this schema: node types that nobody can call or that nothing can be done
    /// with, grants that nobody uses, links that carry no call. The findings are in the order of the schema; `any` is
    /// never a finding.
    ///
    /// A test for it is one line, and when it fails, it prints how to fix each finding:
    ///
    /// ```
    /// # use mesh_runtime::mesh_schema;
    /// # mesh_schema! {
    /// #     mesh Shop;
    /// #     node Gateway { connect: [Billing]; }
    /// #     node Billing { allow: [Gateway]; balanced fn charge(cents: u64) -> bool; }
    /// # }
    /// # fn main() {
    /// assert_eq!(Shop::SCHEMA.lint(), []);
    /// # }
    /// ```
    ///
    /// Findings that are intended can be listed as expected:
    ///
    /// ```
    /// use mesh_runtime::{mesh_schema, schema::Finding};
    ///
    /// mesh_schema! {
    ///     mesh Shop;
    ///     node Gateway { connect: [Billing]; }
    ///     node Billing { allow: [Gateway, Reports]; balanced fn charge(cents: u64) -> bool; }
    ///     node Reports { }
    /// }
    ///
    /// # fn main() {
    /// assert_eq!(
    ///     Shop::SCHEMA.lint(),
    ///     [
    ///         Finding::UnusedGrant { node: "Billing", dialer: "Reports" },
    ///         Finding::Isolated { node: "Reports" },
    ///     ]
    /// );
    /// # }
    /// ```
    pub fn lint(&self) -> Vec<Finding> {
        let nodes = self.nodes.iter();
        nodes.flat_map(|node| self.lint_node(node)).collect()
    }

    fn lint_node(&self, node: &'static NodeSpec) -> Vec<Finding> {
        let name = node.name;
        let mut findings = Vec::new();
        if !self.nodes.iter().any(|peer| self.may_call(peer.name, name)) {
            findings.push(match node.commands.is_empty() {
                true => Finding::Isolated { node: name },
                false => Finding::Unreachable { node: name },
            });
        }
        for &dialer in node.allow.unwrap_or_default() {
            if !self.may_link(dialer, name) {
                findings.push(Finding::UnusedGrant { node: name, dialer });
            } else if !self.any_call_between(dialer, name) {
                findings.push(Finding::IdleLink {
                    from: dialer,
                    to: name,
                });
            }
        }
        for &peer in node.links_to {
            if let Some(caller) = self.node(peer).filter(|peer| self.is_unsaid(peer, node)) {
                findings.push(Finding::ReverseCalls {
                    caller: caller.name,
                    callee: name,
                });
            }
        }
        findings
    }

    /// Whether `caller` may call `callee` back, and neither list of the callee speaks of it: `allow`, or `reverse`, or
    /// `#[allow(..)]` of each command that it may call.
    fn is_unsaid(&self, caller: &NodeSpec, callee: &NodeSpec) -> bool {
        let mut commands = callee.commands.iter();
        callee.reverse.is_none()
            && self.calls_only_back(caller, callee)
            && callee
                .allow
                .is_some_and(|allow| !allow.contains(&caller.name))
            && commands.any(|command| command.allow.is_none())
    }

    /// Whether either of two linked node types may call a command of the other.
    fn any_call_between(&self, one: &str, other: &str) -> bool {
        let offers = |callee: &str, caller: &str| {
            let commands = self
                .node(callee)
                .map_or::<&[CommandSpec], _>(&[], |node| node.commands);
            self.may_call(caller, callee) && commands.iter().any(|command| command.allows(caller))
        };
        offers(one, other) || offers(other, one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Delivery;

    const COMMAND: CommandSpec = CommandSpec::new("work", 1, 1, Delivery::Balanced, &[], "()");

    const FOR_JOB: CommandSpec = COMMAND.allow(&["Job"]);
    const FOR_INDEX: CommandSpec = COMMAND.allow(&["Index"]);
    const FOR_WEB: CommandSpec = COMMAND.allow(&["Web"]);

    fn lint(nodes: &'static [&'static NodeSpec]) -> Vec<Finding> {
        Schema::new("Test", "", nodes).lint()
    }

    #[test]
    fn a_schema_in_order() {
        let findings = lint(
            const {
                &[
                    &NodeSpec::new("Web", "", &["Work"], &[]).allow(&[]),
                    &NodeSpec::new("Work", "", &["Work"], &[COMMAND]).allow(&["Web", "Work"]),
                ]
            },
        );
        assert_eq!(findings, []);
    }

    #[test]
    fn commands_without_any_link() {
        let findings = lint(
            const {
                &[
                    &NodeSpec::new("Web", "", &["Work"], &[]).allow(&[]),
                    &NodeSpec::new("Work", "", &[], &[COMMAND]).allow(&["Web"]),
                    &NodeSpec::new("Lost", "", &[], &[COMMAND]).allow(&[]),
                ]
            },
        );
        assert_eq!(findings, [Finding::Unreachable { node: "Lost" }]);
    }

    #[test]
    fn whoever_dials_can_be_called_too() {
        let findings = lint(
            const {
                &[
                    &NodeSpec::new("Work", "", &["Web"], &[COMMAND])
                        .allow(&[])
                        .reverse(&["Web"]),
                    &NodeSpec::new("Web", "", &[], &[]).allow(&["Work"]),
                ]
            },
        );
        assert_eq!(findings, []);
    }

    #[test]
    fn a_call_back_that_nothing_speaks_of() {
        const WEB: NodeSpec = NodeSpec::new("Web", "", &["Work"], &[]).allow(&[]);
        const INDEX: NodeSpec = NodeSpec::new("Index", "", &[], &[COMMAND]).allow(&["Work"]);
        const WORK: NodeSpec = NodeSpec::new("Work", "", &["Index"], &[COMMAND]).allow(&["Web"]);
        let findings = lint(const { &[&WEB, &WORK, &INDEX] });
        let expected = Finding::ReverseCalls {
            caller: "Index",
            callee: "Work",
        };
        assert_eq!(findings, [expected]);
        let text = expected.to_string();
        assert!(text.contains("`reverse: none;`"), "{text}");

        assert_eq!(
            lint(const { &[&WEB, &WORK.reverse(&["Index"]), &INDEX] }),
            []
        );
        assert_eq!(lint(const { &[&WEB, &WORK.reverse(&[]), &INDEX] }), []);
        const NARROW: NodeSpec =
            NodeSpec::new("Work", "", &["Index"], &[FOR_INDEX, FOR_WEB]).allow(&["Web"]);
        assert_eq!(lint(const { &[&WEB, &NARROW, &INDEX] }), []);
    }

    #[test]
    fn a_closed_way_back_can_make_a_node_unreachable() {
        let findings = lint(
            const {
                &[
                    &NodeSpec::new("Work", "", &["Web"], &[COMMAND])
                        .allow(&[])
                        .reverse(&[]),
                    &NodeSpec::new("Web", "", &[], &[COMMAND]).allow(&["Work"]),
                ]
            },
        );
        assert_eq!(findings, [Finding::Unreachable { node: "Work" }]);
    }

    #[test]
    fn neither_commands_nor_links() {
        let findings = lint(const { &[&NodeSpec::new("Lost", "", &[], &[]).allow(&[])] });
        assert_eq!(findings, [Finding::Isolated { node: "Lost" }]);
    }

    #[test]
    fn a_grant_to_someone_who_does_not_dial() {
        let findings = lint(
            const {
                &[
                    &NodeSpec::new("Web", "", &["Work"], &[]).allow(&["Work"]),
                    &NodeSpec::new("Work", "", &[], &[COMMAND]).allow(&["Web", "Work"]),
                ]
            },
        );
        let expected = [
            Finding::UnusedGrant {
                node: "Web",
                dialer: "Work",
            },
            Finding::UnusedGrant {
                node: "Work",
                dialer: "Work",
            },
        ];
        assert_eq!(findings, expected);
    }

    #[test]
    fn any_grants_nothing_in_particular() {
        let findings = lint(
            const {
                &[
                    &NodeSpec::new("Web", "", &["Log"], &[]),
                    &NodeSpec::new("Log", "", &[], &[FOR_JOB]),
                    &NodeSpec::new("Job", "", &["Log"], &[]),
                ]
            },
        );
        assert_eq!(findings, []);
    }

    #[test]
    fn a_link_over_which_every_command_is_refused() {
        let findings = lint(
            const {
                &[
                    &NodeSpec::new("Web", "", &["Log"], &[]).allow(&[]),
                    &NodeSpec::new("Job", "", &["Log"], &[]).allow(&[]),
                    &NodeSpec::new("Log", "", &[], &[FOR_JOB]).allow(&["Web", "Job"]),
                ]
            },
        );
        let idle = Finding::IdleLink {
            from: "Web",
            to: "Log",
        };
        assert_eq!(findings, [idle]);
    }

    #[test]
    fn a_finding_says_where_and_how_to_mend_it() {
        let unused = Finding::UnusedGrant {
            node: "Work",
            dialer: "Web",
        };
        let text = "`Work` allows `Web`, which does not connect to it: list `Work` under `connect` of `Web`, or drop \
                    `Web` from `allow` of `Work`";
        assert_eq!(unused.to_string(), text);
        assert_eq!(
            format!("{unused:?}"),
            text,
            "a failed assertion says the same"
        );
    }
}
