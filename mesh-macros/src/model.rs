//! The semantic model: the schema with deliveries, options and texts read, ready to be checked and expanded.
//! Knows nothing of parsing, nor of what is generated.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{Expr, Generics, Ident, Path, Type, Visibility};

pub(crate) use crate::ast::{Grammar, Peers};
use crate::{
    ast::Attr,
    delivery::{Delivery, Instances},
};

/// A whole mesh, or some nodes of one.
pub(crate) struct Schema {
    pub(crate) grammar: Grammar,
    /// The path of the runtime crate, where `runtime = …;` gives one.
    pub(crate) runtime: Option<Path>,
    /// The visibility of the mesh.
    pub(crate) vis: Visibility,
    /// `None` in a `mesh_node!`, and in a schema whose mesh is missing or has a wrong name. The latter is an error, and
    /// the nodes are expanded nevertheless.
    pub(crate) name: Option<Ident>,
    /// Whether there is an item that was meant to declare the mesh.
    pub(crate) mesh_is_tried: bool,
    pub(crate) docs: Docs,
    pub(crate) nodes: Vec<NodeType>,
}

/// One node type.
pub(crate) struct NodeType {
    pub(crate) vis: Visibility,
    pub(crate) name: Ident,
    /// The path of a node type that `mesh_node!` declares elsewhere. Its lists and commands are known only
    /// once the schema has been composed.
    pub(crate) elsewhere: Option<Path>,
    pub(crate) docs: Docs,
    pub(crate) allow: Peers,
    pub(crate) connect: Peers,
    /// Which of the node types to which it connects may call it back. `None` if it does not say: all of them.
    pub(crate) reverse: Option<Peers>,
    pub(crate) commands: Vec<Command>,
}

/// One command of a node type.
pub(crate) struct Command {
    pub(crate) name: Ident,
    pub(crate) docs: Docs,
    /// `#[cfg(…)]`, emitted on everything that belongs to the command.
    pub(crate) cfgs: Vec<Attr>,
    /// `#[deprecated …]`, emitted on trait method and stub method.
    pub(crate) deprecated: Vec<TokenStream>,
    pub(crate) delivery: &'static Delivery,
    /// Empty unless `broken`.
    pub(crate) generics: Generics,
    pub(crate) args: Vec<Arg>,
    /// The type after `->`.
    pub(crate) returns: Option<Type>,
    pub(crate) options: Options,
    /// A mistake was found in the signature: trait and stub are still emitted so that handlers and callers
    /// compile, but the types are not checked and nothing is dispatched.
    pub(crate) broken: bool,
}

/// One argument of a command.
pub(crate) struct Arg {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// The options of a command, parsed; times are in milliseconds.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) idempotent: bool,
    pub(crate) concurrency: Option<u32>,
    pub(crate) attempts: Option<u32>,
    pub(crate) backoff_ms: Option<u64>,
    pub(crate) incompatible_ms: Option<u64>,
    pub(crate) key: Option<Expr>,
    pub(crate) version: Option<u32>,
    pub(crate) adopt_orphans: bool,
    /// `#[allow(A, B)]`: the only callers.
    pub(crate) allow: Option<Callers>,
    /// Every option that was given, and where: for the rules on which delivery takes which option.
    pub(crate) given: Vec<(OptionName, Span)>,
}

/// The callers that a command's `#[allow(..)]` lists.
pub(crate) enum Callers {
    Named(Vec<Ident>),
    /// The list has a wrong name, which is an error. So that it causes no further errors, any caller is accepted.
    Anyone,
}

/// The doc comments of an item.
#[derive(Default)]
pub(crate) struct Docs {
    /// As written, to be carried over.
    pub(crate) attrs: Vec<TokenStream>,
    /// Their text, for the schema's description.
    pub(crate) text: String,
}

/// The options that a command can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OptionName {
    Timeout,
    Idempotent,
    Concurrency,
    Attempts,
    Backoff,
    Incompatible,
    Key,
    Version,
    Orphans,
    Allow,
}

impl OptionName {
    pub(crate) const ALL: [Self; 10] = [
        Self::Timeout,
        Self::Idempotent,
        Self::Concurrency,
        Self::Attempts,
        Self::Backoff,
        Self::Incompatible,
        Self::Key,
        Self::Version,
        Self::Orphans,
        Self::Allow,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Idempotent => "idempotent",
            Self::Concurrency => "concurrency",
            Self::Attempts => "attempts",
            Self::Backoff => "backoff",
            Self::Incompatible => "incompatible",
            Self::Key => "key",
            Self::Version => "version",
            Self::Orphans => "orphans",
            Self::Allow => "allow",
        }
    }

    /// Whether commands of that delivery take it.
    pub(crate) fn is_for(self, delivery: &Delivery) -> bool {
        match self {
            Self::Timeout | Self::Concurrency | Self::Version | Self::Allow => true,
            Self::Idempotent => delivery.is_balanced_call(),
            Self::Attempts | Self::Backoff | Self::Incompatible => delivery.is_queued(),
            Self::Key => delivery.instances == Instances::One,
            Self::Orphans => delivery.is_queued() && delivery.instances == Instances::All,
        }
    }
}

/// A link that `from` dials: `from` has `to` in its `connect`, and `to` has `from` in its `allow`.
pub(crate) struct Link {
    /// Index into [`Schema::nodes`].
    pub(crate) from: usize,
    /// Index into [`Schema::nodes`].
    pub(crate) to: usize,
    /// The entry in `connect` that creates it. Errors about access point there.
    pub(crate) span: Span,
}

impl Peers {
    /// The span of the entry that covers the node type of that name, if there is one.
    pub(crate) fn covers(&self, name: &Ident) -> Option<Span> {
        match self {
            Self::Any(span) => Some(*span),
            Self::Named(names) => names.iter().find(|n| *n == name).map(Ident::span),
        }
    }
}

impl NodeType {
    /// The marker type, as the schema can name it.
    pub(crate) fn path(&self) -> TokenStream {
        match &self.elsewhere {
            Some(path) => path.to_token_stream(),
            None => self.name.to_token_stream(),
        }
    }

    /// Whether it may be called over the links that it dials to that node type.
    pub(crate) fn lets_call_back(&self, peer: &Ident) -> bool {
        self.reverse
            .as_ref()
            .is_none_or(|reverse| reverse.covers(peer).is_some())
    }

    /// Where the schema names it. Errors about its part in the mesh are reported there.
    pub(crate) fn mention(&self) -> Span {
        let last = self
            .elsewhere
            .as_ref()
            .and_then(|path| path.segments.last());
        last.map_or(self.name.span(), |last| last.ident.span())
    }
}

/// The entry in `connect` of `from` that makes it dial `to`, if `to` allows it.
fn dials(from: &NodeType, to: &NodeType) -> Option<Span> {
    let accepted = to.allow.covers(&from.name).is_some();
    from.connect.covers(&to.name).filter(|_| accepted)
}

impl Schema {
    pub(crate) fn node(&self, name: &Ident) -> Option<&NodeType> {
        self.nodes.iter().find(|node| node.name == *name)
    }

    /// Every link of the mesh, in the order of the schema.
    pub(crate) fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (from, dialler) in self.nodes.iter().enumerate() {
            for (to, acceptor) in self.nodes.iter().enumerate() {
                if let Some(span) = dials(dialler, acceptor) {
                    links.push(Link { from, to, span });
                }
            }
        }
        links
    }

    /// Whether there is a link between the two, whoever dials.
    pub(crate) fn linked(&self, a: &NodeType, b: &NodeType) -> bool {
        dials(a, b).is_some() || dials(b, a).is_some()
    }

    /// Whether `caller` may call commands of `callee`: over a link that it dials, or back over one that the callee dials.
    pub(crate) fn may_call(&self, caller: &NodeType, callee: &NodeType) -> bool {
        dials(caller, callee).is_some()
            || (dials(callee, caller).is_some() && callee.lets_call_back(&caller.name))
    }

    /// The node types that may call commands of `callee`, narrowed by the command's own `#[allow]`.
    pub(crate) fn callers<'a>(
        &'a self,
        callee: &'a NodeType,
        command: Option<&'a Command>,
    ) -> Vec<&'a NodeType> {
        let narrowed = command.and_then(|command| command.options.allow.as_ref());
        self.nodes
            .iter()
            .filter(|caller| self.may_call(caller, callee))
            .filter(|caller| match narrowed {
                Some(Callers::Named(names)) => names.contains(&caller.name),
                Some(Callers::Anyone) | None => true,
            })
            .collect()
    }

    /// Whether all node types of the mesh are declared here.
    pub(crate) fn is_whole(&self) -> bool {
        self.grammar == Grammar::Schema && self.declared().count() == self.nodes.len()
    }

    /// The node types that are declared here.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &NodeType> {
        self.nodes.iter().filter(|node| node.elsewhere.is_none())
    }
}
