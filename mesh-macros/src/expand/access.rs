//! Who may call whom, as trait implementations. Their spans are those of the entries in the schema that grant it:
//! rustc points there when it refuses a call.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, ext::IdentExt};

use super::{Cx, cfgs, place};
use crate::{
    model::{Callers, Command, NodeType},
    names,
};

/// One `MayCall` for each pair that may call: over a link, either end may call the other, unless the one that dials closes
/// the way back.
pub(super) fn links(cx: &Cx<'_>) -> TokenStream {
    let rt = &cx.rt;
    let mut done = HashSet::new();
    let mut output = TokenStream::new();
    for link in cx.schema.links() {
        for (caller, callee) in [(link.from, link.to), (link.to, link.from)] {
            let is_open = caller == link.from
                || cx.schema.nodes[callee].lets_call_back(&cx.schema.nodes[caller].name);
            if is_open && done.insert((caller, callee)) {
                let (caller, callee) = (
                    cx.schema.nodes[caller].path(),
                    cx.schema.nodes[callee].path(),
                );
                output.extend(quote_spanned! {link.span=>
                    impl #rt::MayCall<#callee> for #caller {}
                });
            }
        }
    }
    output
}

/// For a command with `#[allow(..)]`: a type that stands for it, and the callers that it lists. If the callers are
/// known only once the schema has been composed, `grants` generates them; it finds the type by the command's id.
pub(super) fn narrowed(cx: &Cx<'_>, node: &NodeType, command: &Command) -> TokenStream {
    if command.options.allow.is_none() {
        return TokenStream::new();
    }
    let rt = &cx.rt;
    let cfgs = cfgs(command);
    let name = &command.name;
    let module = module(command);
    let marker = marker(command);
    let callers = if cx.schema.is_whole() {
        grants_for(cx, node, command, &marker)
    } else {
        let node_type = &node.name;
        let id = names::command_id(&node.name, name);
        quote! {
            #cfgs
            impl #rt::Narrowed<#id> for #node_type {
                type Command = #marker;
            }
        }
    };
    quote! {
        #cfgs
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        mod #module {
            pub enum #name {}
        }

        #callers
    }
}

/// The callers that a command's `#[allow(..)]` lists, for a schema that has nodes declared elsewhere. In a whole
/// schema, `narrowed` generates them.
pub(super) fn grants(cx: &Cx<'_>, node: &NodeType, command: &Command) -> TokenStream {
    if cx.schema.is_whole() {
        return TokenStream::new();
    }
    let rt = &cx.rt;
    let callee = node.path();
    let id = names::command_id(&node.name, &command.name);
    grants_for(
        cx,
        node,
        command,
        &quote!(<#callee as #rt::Narrowed<#id>>::Command),
    )
}

fn grants_for(
    cx: &Cx<'_>,
    node: &NodeType,
    command: &Command,
    command_type: &TokenStream,
) -> TokenStream {
    let rt = &cx.rt;
    let cfgs = cfgs(command);
    let callee = node.path();
    let grant = quote!(#rt::MayCallCommand<#callee, #command_type>);
    let callers: Vec<(Span, TokenStream)> = match &command.options.allow {
        None => return TokenStream::new(),
        Some(Callers::Named(names)) => names
            .iter()
            .filter_map(|name| Some((name.span(), cx.schema.node(name)?.path())))
            .collect(),
        Some(Callers::Anyone) => {
            let all = cx.schema.nodes.iter();
            all.map(|node| (Span::call_site(), node.path())).collect()
        }
    };
    let grants = callers.into_iter().map(|(span, caller)| {
        quote_spanned! {span=>
            #cfgs
            impl #grant for #caller {}
        }
    });
    grants.collect()
}

/// The bound on the stub's method for a command with `#[allow(..)]`.
pub(super) fn bound(cx: &Cx<'_>, node: &NodeType, command: &Command) -> TokenStream {
    if command.options.allow.is_none() {
        return TokenStream::new();
    }
    let rt = cx.rt_at(command.name.span());
    let caller = &cx.caller;
    let marker = marker(command);
    let callee = &node.name;
    quote_spanned!(place(&command.name)=> where #caller: #rt::MayCallCommand<#callee, #marker>)
}

/// The type that stands for a command. It has the name of the command, because the compiler's messages print it. It has
/// a module of its own, where it shadows nothing of the user's.
fn marker(command: &Command) -> TokenStream {
    let (module, name) = (module(command), &command.name);
    quote!(#module::#name)
}

fn module(command: &Command) -> Ident {
    format_ident!(
        "__command_{}",
        command.name.unraw(),
        span = Span::call_site()
    )
}
