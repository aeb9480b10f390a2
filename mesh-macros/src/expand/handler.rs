//! The trait that a node type's handler implements.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{Cx, answer, arg_names, arg_types, cfgs, docs, docs_of_methods, local, place};
use crate::{
    delivery::Returns,
    model::{Command, NodeType},
    names,
};

pub(super) fn expand(cx: &Cx<'_>, node: &NodeType) -> TokenStream {
    if node.commands.is_empty() {
        return TokenStream::new();
    }
    let vis = &node.vis;
    let name = names::handler(&node.name);
    let docs = docs::handler(node);
    let methods = node
        .commands
        .iter()
        .map(|command| method(cx, node, command));
    quote_spanned! {place(&node.name)=>
        #docs
        #[allow(dead_code)]
        #vis trait #name: ::core::marker::Send + ::core::marker::Sync + 'static {
            #(#methods)*
        }
    }
}

fn method(cx: &Cx<'_>, node: &NodeType, command: &Command) -> TokenStream {
    let rt = cx.rt_at(command.name.span());
    let marker = &node.name;
    let name = &command.name;
    let docs = docs_of_methods::handler_method(cx.schema, node, command);
    let cfgs = cfgs(command);
    let deprecated = &command.deprecated;
    let generics = &command.generics;
    let context = local("cx", name.span());
    let args = arg_names(command);
    let types = arg_types(command);
    let output = match command.delivery.returns {
        Returns::Answer | Returns::Nothing => answer(command),
        Returns::JobResult => quote!(::core::result::Result<(), #rt::JobError>),
    };
    // A broken command may have generics, and a future with generics may not be `Send`. That would be a second error,
    // beside the actual mistake.
    let send = (!command.broken).then(|| quote_spanned!(place(name)=> + ::core::marker::Send));
    quote_spanned! {place(name)=>
        #docs
        #(#deprecated)*
        #cfgs
        fn #name #generics(&self, #context: #rt::Context<#marker>, #(#args: #types),*)
            -> impl ::core::future::Future<Output = #output> #send;
    }
}
