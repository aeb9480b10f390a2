//! How a schema learns of nodes that `mesh_node!` declares elsewhere in the crate. A macro sees its own tokens
//! only, so each such node leaves a *carrier* beside its types: a `macro_rules!` macro under the node's own name,
//! which hands the node's *summary* on to the next carrier. The last one calls `__compose!` with all of them.
//! Spans are preserved, so that mistakes are reported in the file where they were made.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{Visibility, ext::IdentExt};

use super::{Cx, cfgs};
use crate::model::{Callers, Command, NodeType, Peers};

/// The carrier of a node that is declared here. Types and macros have namespaces of their own: whoever can name
/// the node type can call its carrier.
pub(super) fn expand(cx: &Cx<'_>, node: &NodeType) -> TokenStream {
    let rt = &cx.rt;
    let name = &node.name;
    let carrier = format_ident!("__mesh_node_{}", name.unraw());
    let summary = summary(node);
    // A `macro_rules!` macro is visible in its crate at most. That suffices: all nodes of a mesh are in one crate.
    let vis = match &node.vis {
        Visibility::Public(_) => quote!(pub(crate)),
        other => other.to_token_stream(),
    };
    quote! {
        #[doc(hidden)]
        macro_rules! #carrier {
            ([] $($collected:tt)*) => {
                #rt::__compose! { $($collected)* #summary }
            };
            ([($($next:tt)*) $($rest:tt)*] $($collected:tt)*) => {
                $($next)*! { [$($rest)*] $($collected)* #summary }
            };
        }

        #[doc(hidden)]
        #[allow(unused_imports)]
        #vis use #carrier as #name;
    }
}

/// The call of the first carrier. It gets the paths of the others, and what is declared here.
pub(super) fn collect(cx: &Cx<'_>) -> TokenStream {
    let schema = cx.schema;
    let mesh = &cx.mesh;
    let runtime = schema.runtime.as_ref().map(|path| quote!(runtime = #path;));
    let docs = &schema.docs.attrs;
    let nodes = schema.nodes.iter().map(|node| match &node.elsewhere {
        Some(path) => quote!(node #path;),
        None => summary(node),
    });
    let mut paths = schema
        .nodes
        .iter()
        .filter_map(|node| node.elsewhere.as_ref());
    let Some(first) = paths.next() else {
        return TokenStream::new();
    };
    quote! {
        #first! { [#((#paths))*] { #runtime #(#docs)* mesh #mesh; #(#nodes)* } }
    }
}

/// What the composition must know of a node, in the syntax of a node.
fn summary(node: &NodeType) -> TokenStream {
    let name = &node.name;
    let allow = peers(&node.allow);
    let connect = peers(&node.connect);
    let reverse = node.reverse.as_ref().map(|reverse| {
        let reverse = peers(reverse);
        quote!(reverse: #reverse;)
    });
    let commands = node.commands.iter().map(command);
    quote! {
        node #name {
            allow: #allow;
            connect: #connect;
            #reverse
            #(#commands)*
        }
    }
}

fn peers(peers: &Peers) -> TokenStream {
    match peers {
        Peers::Any(span) => syn::Ident::new("any", *span).into_token_stream(),
        Peers::Named(names) => quote!([#(#names),*]),
    }
}

/// A command reduced to its name, from which its id is computed, its `#[allow]` and its `#[cfg]`. The rest concerns the
/// node only.
fn command(command: &Command) -> TokenStream {
    let name = &command.name;
    let cfgs = cfgs(command);
    let allow = match &command.options.allow {
        Some(Callers::Named(names)) => Some(quote!(#[allow(#(#names),*)])),
        Some(Callers::Anyone) | None => None,
    };
    quote!(#cfgs #allow balanced fn #name();)
}
