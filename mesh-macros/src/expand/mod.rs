//! Semantic model → Rust. One file for each kind of generated item, put together here.
//! Knows nothing of rules: the model that comes here is correct, or has been fixed.
//!
//! There are two kinds of output. *Declarations* concern one node: its marker, handler trait, stub and dispatch.
//! The *composition* needs to know all nodes of the mesh: `NodeType`, `Mesh`, and who may call whom.
//!
//! Only `::core` paths and the runtime's `__private` module are named, so that the output means the same
//! whatever its surroundings import or shadow.

mod access;
mod carrier;
mod client;
mod docs;
mod docs_of_methods;
mod handler;
mod mesh;
mod node;
mod queues;
mod serve;
mod spec;
mod wire_types;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::Ident;

#[cfg(test)]
pub(crate) use self::docs_of_methods::DEFAULT_TIMEOUT_MS;
use self::wire_types::WireTypes;
use crate::{
    model::{Command, NodeType, Schema},
    names::Fresh,
};

/// What every expansion needs to know besides its own item.
struct Cx<'a> {
    schema: &'a Schema,
    /// The path of the runtime's `__private` module.
    rt: TokenStream,
    /// The marker type of the mesh.
    mesh: Ident,
    /// The generic parameter for the node type that calls.
    caller: Ident,
    /// The generic parameter for the type that handles.
    handler: Ident,
    /// The checked types of arguments and answers.
    wire_types: WireTypes<'a>,
}

impl<'a> Cx<'a> {
    fn new(schema: &'a Schema, fresh: &Fresh) -> Self {
        Self {
            schema,
            rt: match &schema.runtime {
                Some(path) => quote!(#path::__private),
                None => quote!(::mesh_runtime::__private),
            },
            mesh: schema
                .name
                .clone()
                .unwrap_or_else(|| format_ident!("__Mesh")),
            caller: fresh.name("Caller"),
            handler: fresh.name("Handler"),
            wire_types: WireTypes::new(schema),
        }
    }

    /// The path of `__private` with its spans located at `place`. The compiler underlines an expression from its first
    /// token on, so an expression that begins with this path is underlined there.
    fn rt_at(&self, place: Span) -> TokenStream {
        let tokens = self.rt.clone().into_iter();
        tokens
            .map(|mut tree| {
                tree.set_span(tree.span().located_at(place));
                tree
            })
            .collect()
    }
}

/// A schema: its mesh, the nodes that are declared in it, and their composition. If there are nodes that are
/// declared elsewhere, the composition is left to the macro that has collected them all.
pub(crate) fn schema(schema: &Schema, fresh: &Fresh) -> TokenStream {
    let cx = Cx::new(schema, fresh);
    let mesh = mesh::marker(&cx);
    let declarations = declarations(&cx);
    let composition = match schema.is_whole() {
        true => composition(&cx),
        false => carrier::collect(&cx),
    };
    quote!(#mesh #declarations #composition)
}

/// Nodes beside their types, each with the carrier by which a schema takes it in.
pub(crate) fn nodes(schema: &Schema, fresh: &Fresh) -> TokenStream {
    let cx = Cx::new(schema, fresh);
    let declarations = declarations(&cx);
    let carriers = schema.nodes.iter().map(|node| carrier::expand(&cx, node));
    quote!(#declarations #(#carriers)*)
}

/// What can be written only when all node types of the mesh are known.
pub(crate) fn composed(schema: &Schema, fresh: &Fresh) -> TokenStream {
    composition(&Cx::new(schema, fresh))
}

/// For the nodes that are declared here: everything that concerns no other node.
fn declarations(cx: &Cx<'_>) -> TokenStream {
    let visible = cx.schema.declared().map(|node| {
        let marker = node::marker(cx, node);
        let handler = handler::expand(cx, node);
        let client = client::declaration(cx, node);
        let queues = queues::declaration(cx, node);
        quote!(#marker #handler #client #queues)
    });
    let wire_types = cx.wire_types.declarations(cx);
    let hidden = cx.schema.declared().map(|node| hidden(cx, node));
    quote! {
        #(#visible)*
        // Names in here clash neither with the user's nor with those of another mesh.
        #[allow(dead_code)]
        const _: () = {
            #wire_types
            #(#hidden)*
        };
    }
}

/// The items of a node type that only the compiler sees.
fn hidden(cx: &Cx<'_>, node: &NodeType) -> TokenStream {
    let specs = node
        .commands
        .iter()
        .map(|command| spec::constant(cx, node, command));
    let narrowed = node
        .commands
        .iter()
        .map(|command| access::narrowed(cx, node, command));
    let declaration = node::declaration(cx, node);
    let serve = serve::expand(cx, node);
    let methods = client::methods(cx, node);
    let queues = queues::methods(cx, node);
    quote! {
        // Nor do the names of one node clash with those of another.
        const _: () = {
            #(#specs)*
            #(#narrowed)*
            #declaration
            #serve
            #methods
            #queues
        };
    }
}

/// The mesh as a whole: its schema, each node type's part in it, and who may call whom.
fn composition(cx: &Cx<'_>) -> TokenStream {
    let mesh = mesh::implementation(cx);
    let node_types = (0..cx.schema.nodes.len()).map(|index| node::implementation(cx, index));
    let links = access::links(cx);
    let grants = cx.schema.nodes.iter().flat_map(|node| {
        let grants = |command| access::grants(cx, node, command);
        node.commands.iter().map(grants)
    });
    quote! {
        #mesh
        #(#node_types)*
        #links
        #(#grants)*
    }
}

/// The `#[cfg]` attributes of a command, for everything that belongs to it.
fn cfgs(command: &Command) -> TokenStream {
    command.cfgs.iter().map(|cfg| cfg.tokens.clone()).collect()
}

/// The names of a command's arguments.
fn arg_names(command: &Command) -> impl Iterator<Item = &Ident> {
    command.args.iter().map(|arg| &arg.name)
}

/// The types of a command's arguments.
fn arg_types(command: &Command) -> impl Iterator<Item = TokenStream> {
    command.args.iter().map(|arg| type_of(command, &arg.ty))
}

/// The type after a command's `->`, or `()`.
fn answer(command: &Command) -> TokenStream {
    match &command.returns {
        Some(ty) => type_of(command, ty),
        None => quote!(()),
    }
}

/// A type as written; in a broken command, without what rustc would report as well.
fn type_of(command: &Command, ty: &syn::Type) -> TokenStream {
    let tokens = ty.to_token_stream();
    if command.broken {
        bearable(tokens)
    } else {
        tokens
    }
}

/// Replaces `_` and `!` with `()`, and every lifetime but `'static` with `'_`.
fn bearable(tokens: TokenStream) -> TokenStream {
    let mut lifetime = false;
    let map = |tree| {
        let after_quote = std::mem::replace(
            &mut lifetime,
            matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == '\''),
        );
        match tree {
            TokenTree::Ident(ident) if after_quote && ident != "static" => {
                Ident::new("_", ident.span()).into()
            }
            TokenTree::Ident(ident) if !after_quote && ident == "_" => {
                TokenTree::from(Group::new(Delimiter::Parenthesis, TokenStream::new()))
            }
            TokenTree::Punct(punct) if punct.as_char() == '!' => {
                TokenTree::from(Group::new(Delimiter::Parenthesis, TokenStream::new()))
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), bearable(group.stream()));
                inner.set_span(group.span());
                inner.into()
            }
            other => other,
        }
    };
    tokens.into_iter().map(map).collect()
}

/// The location of a piece of the schema, with the macro's own hygiene. The compiler's messages about tokens with this
/// span point to that piece, and the user's lints do not apply to them.
fn place(ident: &Ident) -> Span {
    Span::call_site().located_at(ident.span())
}

/// The name of an item of the runtime. It follows the runtime's path.
fn runtime_name(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// A name that no argument or item of the user's can clash with.
fn local(name: &str, span: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(span))
}
