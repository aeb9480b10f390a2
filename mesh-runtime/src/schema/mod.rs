//! What a `mesh_schema!` declares, as constant data. The macro writes it; master, links and diagrams read it.
//! This module holds the data and the queries on it; it knows nothing of running nodes.
//!
//! - [`Schema::to_mermaid`] and [`Schema::to_dot`] draw it;
//! - [`Schema::describe`] makes a [`SchemaDescription`] of it, with the structures of all types, and
//!   [`Schema::to_json`] writes that as JSON;
//! - [`Schema::lint`] finds declarations that are legal but useless.

mod description;
mod diagram;
mod fingerprints;
mod lint;

use std::{hash::Hasher, time::Duration};

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};

pub use description::{
    AnswerDescription, ArgDescription, CommandDescription, CommandOptions, DescriptionError,
    NodeDescription, SchemaDescription,
};
pub(crate) use description::{DescribedSchema, hex_u64};
pub(crate) use fingerprints::Fingerprints;
pub use lint::Finding;

use crate::shape::Shape;
pub use crate::shape::{Format, Named, NoPlainType, PlainType, Structure, TypeDef, TypeRef};

/// The timeout of a call if none is set, neither in the schema nor at the call.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// A whole mesh: every node type and who may link to whom. Available as `Shop::SCHEMA`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Schema {
    /// The name of the mesh.
    pub mesh: &'static str,
    /// The doc comment on the mesh.
    pub doc: &'static str,
    /// Every node type, in the order of the schema.
    pub nodes: &'static [&'static NodeSpec],
}

/// One node type.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct NodeSpec {
    /// The name of the node type.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// The node types that this one dials: each is listed in `connect` here, and lists this one in its `allow`.
    pub links_to: &'static [&'static str],
    /// Its `allow` list, as written; `None` is `any`. A listed node type may dial this one. It does so only if its
    /// `connect` lists this one; then this one is in the other's [`links_to`](Self::links_to).
    pub allow: Option<&'static [&'static str]>,
    /// Which of the node types that it dials may call it back, if it says: its `reverse` list. `None` means all of them.
    pub reverse: Option<&'static [&'static str]>,
    /// Its commands, in the order of the schema.
    pub commands: &'static [CommandSpec],
}

/// One command of a node type.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CommandSpec {
    /// The name of the command.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// Identifies the command on the wire: the 32-bit FNV-1a hash of `NodeType.command`.
    pub id: u32,
    /// The 64-bit FNV-1a hash of the command's declaration: delivery, names and types as written, and `#[version]`.
    /// The contents of the types are part of [`CommandSpec::wire_fingerprint`] only.
    pub fingerprint: u64,
    /// Functions that trace the types of the arguments, in order, and of the answer if the command has one.
    pub(crate) shapes: &'static [fn() -> Shape],
    /// How a call chooses its instances, and whether they answer.
    pub delivery: Delivery,
    /// The arguments: name and type, as written.
    pub args: &'static [(&'static str, &'static str)],
    /// The type of the answer, as written; `()` if there is none.
    pub returns: &'static str,
    /// `#[timeout]`: the timeout of a call that sets none.
    pub timeout: Option<Duration>,
    /// `#[idempotent]`: may be retried on another instance even if it may already have run.
    pub idempotent: bool,
    /// `#[concurrency]`: the maximum number of handlers that run at once, for each instance.
    pub concurrency: Option<u32>,
    /// `#[attempts]`: how often a job is tried before it is a dead letter.
    pub attempts: Option<u32>,
    /// `#[backoff]`: the wait before a job's second attempt; it doubles with each further one.
    pub backoff: Option<Duration>,
    /// `#[incompatible]`: how long a job that was queued under another declaration of the command waits for an instance
    /// that has it, before it is a dead letter.
    pub incompatible: Option<Duration>,
    /// `#[version]`: 0 if none is given.
    pub version: u32,
    /// `#[orphans]`: what happens to the jobs of an instance that never returns.
    pub orphans: Orphans,
    /// `#[allow]`: the only node types that may call this command; `None` means all that have a link.
    pub allow: Option<&'static [&'static str]>,
}

/// How a command is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Delivery {
    /// `balanced`: one instance, always answered.
    Balanced,
    /// `broadcast … -> T`: every instance, and all answers are gathered.
    Gather,
    /// `broadcast` without `->`: every instance, no answer.
    Broadcast,
    /// `queued balanced`: a job that one instance processes later.
    QueuedBalanced,
    /// `queued broadcast`: a job in every instance's own queue.
    QueuedBroadcast,
}

impl Delivery {
    /// Whether the command is a job for a queue.
    pub const fn is_queued(self) -> bool {
        matches!(self, Self::QueuedBalanced | Self::QueuedBroadcast)
    }
}

/// What happens to the queued-broadcast jobs of an instance that never returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Orphans {
    /// They become dead letters.
    #[default]
    DeadLetter,
    /// Another instance of the node type runs them in addition to its own.
    Adopt,
}

impl Schema {
    /// Written by the macro.
    #[doc(hidden)]
    pub const fn new(
        mesh: &'static str,
        doc: &'static str,
        nodes: &'static [&'static NodeSpec],
    ) -> Self {
        Self { mesh, doc, nodes }
    }

    /// The FNV-1a hash of all node types, links and commands, including each command's
    /// [`fingerprint`](CommandSpec::fingerprint). It distinguishes schemas as they are written. Differences in the
    /// contents of types are found for each command, see [`CommandSpec::wire_fingerprint`].
    pub fn fingerprint(&self) -> u64 {
        let mut hash = FnvHasher::default();
        let mut mix = |bytes: &[u8]| {
            hash.write(bytes);
            hash.write(&[0xff]);
        };
        for node in self.nodes {
            mix(node.name.as_bytes());
            node.links_to.iter().for_each(|to| mix(to.as_bytes()));
            if let Some(callers) = node.reverse {
                mix(b"reverse");
                callers.iter().for_each(|caller| mix(caller.as_bytes()));
            }
            for command in node.commands {
                mix(&command.id.to_le_bytes());
                mix(&command.fingerprint.to_le_bytes());
            }
        }
        hash.finish()
    }

    /// The node type with this name.
    pub fn node(&self, name: &str) -> Option<&'static NodeSpec> {
        self.nodes.iter().copied().find(|node| node.name == name)
    }

    /// Whether a node of type `from` may dial one of type `to`.
    pub fn may_link(&self, from: &str, to: &str) -> bool {
        self.node(from)
            .is_some_and(|node| node.links_to.contains(&to))
    }

    /// Whether a node of type `caller` may call commands of `callee`: over a link that it dials, or back over one that the
    /// callee dials, unless [`NodeSpec::reverse`] closes that way.
    pub fn may_call(&self, caller: &str, callee: &str) -> bool {
        self.may_link(caller, callee) || self.may_call_back(caller, callee)
    }

    /// Whether calls of `caller` reach a command of `callee`, and only over links that the callee dials.
    fn calls_only_back(&self, caller: &NodeSpec, callee: &NodeSpec) -> bool {
        let mut commands = callee.commands.iter();
        self.may_call_back(caller.name, callee.name)
            && !self.may_link(caller.name, callee.name)
            && commands.any(|command| command.allows(caller.name))
    }

    /// Whether a node of type `caller` may call commands of `callee` over a link that the callee dials.
    pub fn may_call_back(&self, caller: &str, callee: &str) -> bool {
        self.may_link(callee, caller)
            && self.node(callee).is_some_and(|callee| {
                callee
                    .reverse
                    .is_none_or(|callers| callers.contains(&caller))
            })
    }
}

impl NodeSpec {
    /// Written by the macro.
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        doc: &'static str,
        links_to: &'static [&'static str],
        commands: &'static [CommandSpec],
    ) -> Self {
        Self {
            name,
            doc,
            links_to,
            allow: None,
            reverse: None,
            commands,
        }
    }

    #[doc(hidden)]
    pub const fn reverse(mut self, callers: &'static [&'static str]) -> Self {
        self.reverse = Some(callers);
        self
    }

    #[doc(hidden)]
    pub const fn allow(mut self, dialers: &'static [&'static str]) -> Self {
        self.allow = Some(dialers);
        self
    }

    /// The command with this id.
    pub fn command(&self, id: u32) -> Option<&'static CommandSpec> {
        self.commands.iter().find(|command| command.id == id)
    }
}

impl CommandSpec {
    /// Written by the macro.
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        id: u32,
        fingerprint: u64,
        delivery: Delivery,
        args: &'static [(&'static str, &'static str)],
        returns: &'static str,
    ) -> Self {
        Self {
            name,
            doc: "",
            id,
            fingerprint,
            shapes: &[],
            delivery,
            args,
            returns,
            timeout: None,
            idempotent: false,
            concurrency: None,
            attempts: None,
            backoff: None,
            incompatible: None,
            version: 0,
            orphans: Orphans::DeadLetter,
            allow: None,
        }
    }

    #[doc(hidden)]
    pub const fn shapes(mut self, shapes: &'static [fn() -> Shape]) -> Self {
        self.shapes = shapes;
        self
    }

    #[doc(hidden)]
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    #[doc(hidden)]
    pub const fn timeout_ms(mut self, ms: u64) -> Self {
        self.timeout = Some(Duration::from_millis(ms));
        self
    }

    #[doc(hidden)]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    #[doc(hidden)]
    pub const fn concurrency(mut self, handlers: u32) -> Self {
        self.concurrency = Some(handlers);
        self
    }

    #[doc(hidden)]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    #[doc(hidden)]
    pub const fn backoff_ms(mut self, ms: u64) -> Self {
        self.backoff = Some(Duration::from_millis(ms));
        self
    }

    #[doc(hidden)]
    pub const fn incompatible_ms(mut self, ms: u64) -> Self {
        self.incompatible = Some(Duration::from_millis(ms));
        self
    }

    #[doc(hidden)]
    pub const fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    #[doc(hidden)]
    pub const fn orphans(mut self, orphans: Orphans) -> Self {
        self.orphans = orphans;
        self
    }

    #[doc(hidden)]
    pub const fn allow(mut self, callers: &'static [&'static str]) -> Self {
        self.allow = Some(callers);
        self
    }

    /// The fingerprint of this command on the wire: a hash of its [`fingerprint`](CommandSpec::fingerprint) and of the
    /// shapes of its arguments and its answer. Two programs with different values do not call this command on each
    /// other.
    ///
    /// The shape of a type is what its `Deserialize` asks for: the kinds of its values, the fields of structs and
    /// the variants of enums, with their names, in order. The names of types do not count. To determine the shape,
    /// sample values are deserialized into the type, which takes some microseconds for each type. Nodes do this once,
    /// when they start.
    ///
    /// A program in another language has no such types; it copies the number that this prints:
    ///
    /// ```
    /// # use mesh_runtime::schema::Schema;
    /// # fn print(schema: &Schema) {
    /// for command in schema.node("Billing").into_iter().flat_map(|node| node.commands) {
    ///     println!("{} {:#010x} {:#018x}", command.name, command.id, command.wire_fingerprint());
    /// }
    /// # }
    /// ```
    pub fn wire_fingerprint(&self) -> u64 {
        fingerprints::of_command(self)
    }

    /// Whether a node type that has a link may call this command.
    pub fn allows(&self, caller: &str) -> bool {
        self.allow.is_none_or(|callers| callers.contains(&caller))
    }
}
