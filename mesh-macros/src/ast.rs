//! The syntax tree: the schema as its author wrote it, including mistakes that can still be represented.
//! It knows nothing of what the schema means: names are not resolved, options not read, deliveries not checked.

use proc_macro2::{Span, TokenStream};
use syn::{Generics, Ident, Path, Type, Visibility};

/// Which macro the tokens were given to. Each macro accepts a part of the same grammar.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Grammar {
    /// `mesh_schema!`: a mesh and its nodes, some of which may be declared elsewhere.
    #[default]
    Schema,
    /// `mesh_node!`: nodes beside their types, which a schema takes in by path.
    Nodes,
}

/// Everything inside one `mesh_schema! { … }` or `mesh_node! { … }`.
#[derive(Default)]
pub(crate) struct SchemaItem {
    pub(crate) grammar: Grammar,
    /// `runtime = ::path;`
    pub(crate) runtime: Option<Path>,
    /// Every `mesh Name;`. More than one is a mistake, which `lower` reports.
    pub(crate) meshes: Vec<MeshItem>,
    /// Whether there is a `mesh` item, even one whose name is missing.
    pub(crate) mesh_is_tried: bool,
    /// Every `node Name { … }`.
    pub(crate) nodes: Vec<NodeItem>,
}

/// `pub mesh Name;`
pub(crate) struct MeshItem {
    pub(crate) attrs: Vec<Attr>,
    pub(crate) vis: Visibility,
    pub(crate) name: Ident,
}

/// `node Name { … }`, or `node path::Name;` for one that `mesh_node!` declares.
pub(crate) struct NodeItem {
    pub(crate) attrs: Vec<Attr>,
    pub(crate) vis: Visibility,
    pub(crate) name: Ident,
    /// Where it is declared, if not here: then everything below is empty.
    pub(crate) elsewhere: Option<Path>,
    /// Every `allow: …;` in source order.
    pub(crate) allow: Vec<PeersItem>,
    /// Every `connect: …;` in source order.
    pub(crate) connect: Vec<PeersItem>,
    /// Every `reverse: …;` in source order.
    pub(crate) reverse: Vec<PeersItem>,
    pub(crate) commands: Vec<CommandItem>,
}

/// The settings of a node.
pub(crate) const SETTINGS: [&str; 3] = ["allow", "connect", "reverse"];

/// `allow: [A, B];`, `connect: any;` or `reverse: none;`
pub(crate) struct PeersItem {
    /// The word `allow`, `connect` or `reverse`.
    pub(crate) keyword: Ident,
    pub(crate) peers: Peers,
}

/// Which node types a list names.
#[derive(Clone)]
pub(crate) enum Peers {
    /// `any`, and its span.
    Any(Span),
    /// `[A, B]`
    Named(Vec<Ident>),
}

/// `queued broadcast fn name(arg: Type) -> Type;`
pub(crate) struct CommandItem {
    pub(crate) attrs: Vec<Attr>,
    /// The words in front of `fn`.
    pub(crate) delivery: Vec<Ident>,
    pub(crate) name: Ident,
    /// Always a mistake. Kept so that handler trait and stub still have the signatures that their users expect.
    pub(crate) generics: Generics,
    pub(crate) args: Vec<ArgItem>,
    pub(crate) returns: Option<Type>,
    /// Whether the parser has already complained about this command.
    pub(crate) broken: bool,
}

/// `name: Type` in a command's parentheses.
pub(crate) struct ArgItem {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// One `#[name …]` or doc comment.
#[derive(Clone)]
pub(crate) struct Attr {
    /// Its name. A path such as `clippy::x` keeps its colons.
    pub(crate) name: String,
    /// The span of the name.
    pub(crate) span: Span,
    pub(crate) value: AttrValue,
    /// The whole attribute as written, to be carried over.
    pub(crate) tokens: TokenStream,
}

/// What follows an attribute's name.
#[derive(Clone)]
pub(crate) enum AttrValue {
    /// `#[idempotent]`
    Word,
    /// `#[timeout = …]`
    Equals(TokenStream),
    /// `#[allow(…)]`
    List(TokenStream),
}
