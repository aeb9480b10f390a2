//! The typed queues of a node type's queued commands.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{Cx, arg_types, cfgs, docs, place};
use crate::{
    model::{Command, NodeType},
    names,
};

/// The type; none for a node type without queued commands.
pub(super) fn declaration(cx: &Cx<'_>, node: &NodeType) -> Option<TokenStream> {
    queued(node).next()?;
    let rt = &cx.rt;
    let vis = &node.vis;
    let queues = names::queues(&node.name);
    let docs = docs::queues(&node.name);
    Some(quote! {
        #docs
        #[allow(dead_code)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #queues(#rt::NodeQueues);
    })
}

/// Its methods, and how a node comes to it.
pub(super) fn methods(cx: &Cx<'_>, node: &NodeType) -> Option<TokenStream> {
    queued(node).next()?;
    let rt = &cx.rt;
    let name = &node.name;
    let queues = names::queues(name);
    let methods = queued(node).map(|command| method(cx, node, command));
    Some(quote! {
        impl #rt::HasQueues for #name {
            type Queues = #queues;

            fn queues(queues: #rt::NodeQueues) -> #queues {
                #queues(queues)
            }
        }

        #[allow(dead_code)]
        impl #queues {
            #(#methods)*
        }
    })
}

fn queued(node: &NodeType) -> impl Iterator<Item = &Command> {
    let commands = node.commands.iter();
    commands.filter(|command| command.delivery.is_queued())
}

fn method(cx: &Cx<'_>, node: &NodeType, command: &Command) -> TokenStream {
    let vis = &node.vis;
    let name = &command.name;
    let rt = cx.rt_at(name.span());
    let cfgs = cfgs(command);
    let types = arg_types(command);
    let docs = docs::queue(node, command);
    let span = place(name);
    let body = if command.broken {
        // The build fails anyway; this body lets callers compile without further errors.
        quote_spanned!(span=> loop {})
    } else {
        let spec = names::spec(name);
        let args = cx.wire_types.args(command);
        quote_spanned!(span=> #rt::queue(#args, &self.0, &#spec))
    };
    quote_spanned! {span=>
        #docs
        #cfgs
        #vis fn #name(&self) -> #rt::CommandQueue<(#(#types,)*)> {
            #body
        }
    }
}
