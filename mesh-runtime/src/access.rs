//! The traits that express the schema in the type system. Only the output of the macros implements them, apart from the
//! blanket implementations here.

use crate::{
    call::ClientCore,
    queue::NodeQueues,
    schema::{CommandSpec, NodeSpec, Schema},
};

/// A mesh: implemented for the type that `pub mesh Shop;` declares.
pub trait Mesh: Sized + Send + Sync + 'static {
    /// The whole schema.
    const SCHEMA: &'static Schema;
}

/// What a node type declares by itself, whatever mesh it is part of: implemented for the marker type that each
/// `node X { … }` declares.
pub trait NodeDeclaration: Sized + Send + Sync + 'static {
    /// The typed stub with which a `Caller` calls this node type.
    type Client<Caller: NodeType>;

    /// Its name in the schema.
    const NAME: &'static str;

    /// Its doc comment.
    const DOC: &'static str;

    /// Its commands, in the order of the schema.
    const COMMANDS: &'static [CommandSpec];

    /// Wraps the core that all stubs share in the typed stub.
    #[doc(hidden)]
    fn client<Caller: NodeType>(core: ClientCore) -> Self::Client<Caller>;
}

/// A node type of a mesh.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no node type of a mesh",
    label = "no `mesh_schema!` has this node",
    note = "a node that `mesh_node!` declares becomes part of a mesh by `node path::{Self};` in its `mesh_schema!`"
)]
pub trait NodeType: NodeDeclaration {
    /// The mesh that this node type belongs to.
    type Mesh: Mesh;

    /// Its part of the schema.
    const SPEC: &'static NodeSpec;
}

/// Says that the schema lets a node type call another: over a link that it dials, or back over one that the other dials.
#[diagnostic::on_unimplemented(
    message = "node `{Self}` may not call node `{Callee}`",
    label = "the schema does not let `{Self}` call `{Callee}`",
    note = "in `mesh_schema!`, list `{Callee}` under `connect` of `{Self}` and `{Self}` under `allow` of `{Callee}`; if `{Callee}` dials `{Self}`, its `reverse` leaves `{Self}` out"
)]
pub trait MayCall<Callee: NodeType>: NodeType {}

/// A node type that `Caller` may call: [`MayCall`], seen from the other end.
///
/// This one bound implies all others, so that the compiler reports one error where it does not hold, also for a type
/// that is no node.
#[diagnostic::on_unimplemented(
    message = "node `{Caller}` may not call node `{Self}`",
    label = "the schema does not let `{Caller}` call `{Self}`",
    note = "in `mesh_schema!`, list `{Self}` under `connect` of `{Caller}` and `{Caller}` under `allow` of `{Self}`; if `{Self}` dials `{Caller}`, its `reverse` leaves `{Caller}` out"
)]
pub trait CalledBy<Caller: NodeType>: NodeType {}

#[diagnostic::do_not_recommend]
impl<Caller: MayCall<Callee>, Callee: NodeType> CalledBy<Caller> for Callee {}

/// The stub with which `Caller` calls a node type: there is one for every [`CalledBy`].
///
/// This is a separate trait because a type that is no node has no `Client` either, which would be a second error.
pub trait StubFor<Caller: NodeType> {
    /// The typed stub.
    type Stub;

    /// Wraps the core that all stubs share in the typed stub.
    #[doc(hidden)]
    fn stub(core: impl FnOnce(&'static NodeSpec) -> ClientCore) -> Self::Stub;
}

#[diagnostic::do_not_recommend]
impl<Caller: NodeType, Callee: CalledBy<Caller>> StubFor<Caller> for Callee {
    type Stub = Callee::Client<Caller>;

    fn stub(core: impl FnOnce(&'static NodeSpec) -> ClientCore) -> Self::Stub {
        Callee::client(core(Callee::SPEC))
    }
}

/// Says that a node type is one of those that a command's `#[allow(..)]` lists.
///
/// `Command` is a hidden type with the name of the command, so that the message can name it.
#[diagnostic::on_unimplemented(
    message = "node `{Self}` may not call command `{Command}` of node `{Callee}`",
    label = "`#[allow(..)]` on `{Command}` does not list `{Self}`",
    note = "in `mesh_schema!`, add `{Self}` to the `#[allow(..)]` of this command"
)]
pub trait MayCallCommand<Callee: NodeType, Command>: NodeType {}

/// Finds the hidden type that stands for a command with `#[allow(..)]`, by the command's id.
pub trait Narrowed<const ID: u32>: NodeDeclaration {
    /// That type.
    type Command;
}

/// A node type with queued commands.
#[diagnostic::on_unimplemented(
    message = "node `{Self}` has no queued commands",
    label = "none of its commands is `queued`"
)]
pub trait HasQueues: NodeDeclaration {
    /// Its queues, with a method for each queued command.
    type Queues;

    /// Wraps what all queues share in the typed queues.
    #[doc(hidden)]
    fn queues(queues: NodeQueues) -> Self::Queues;
}
