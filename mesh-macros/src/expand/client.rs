//! The stub with which other nodes call a node type.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::{Cx, access, answer, arg_names, arg_types, cfgs, docs};
use crate::{
    model::{Command, Delivery, NodeType},
    names,
};

/// The stub's type.
pub(super) fn declaration(cx: &Cx<'_>, node: &NodeType) -> TokenStream {
    let Cx {
        rt, vis, caller, ..
    } = cx;
    let client = names::client(&node.name);
    let docs = docs::client(&node.name);
    quote! {
        #docs
        #[allow(dead_code)]
        #vis struct #client<#caller> {
            core: #rt::ClientCore,
            caller: ::core::marker::PhantomData<fn() -> #caller>,
        }
    }
}

/// The stub's methods and what else it implements.
pub(super) fn methods(cx: &Cx<'_>, node: &NodeType) -> TokenStream {
    let Cx { rt, caller, .. } = cx;
    let client = names::client(&node.name);
    let text = client.unraw().to_string();
    let methods = node
        .commands
        .iter()
        .map(|command| method(cx, node, command));
    quote! {
        #[automatically_derived]
        impl<#caller> ::core::clone::Clone for #client<#caller> {
            fn clone(&self) -> Self {
                Self { core: ::core::clone::Clone::clone(&self.core), caller: ::core::marker::PhantomData }
            }
        }

        #[automatically_derived]
        impl<#caller> ::core::fmt::Debug for #client<#caller> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(#text)
            }
        }

        #[allow(dead_code)]
        impl<#caller: #rt::NodeType> #client<#caller> {
            #(#methods)*
        }
    }
}

fn method(cx: &Cx<'_>, node: &NodeType, command: &Command) -> TokenStream {
    let Cx { rt, vis, .. } = cx;
    let name = &command.name;
    let docs = docs::client_method(cx.schema, node, command);
    let cfgs = cfgs(command);
    let deprecated = &command.deprecated;
    let generics = &command.generics;
    let bound = access::bound(cx, node, command);
    let names: Vec<_> = arg_names(command).collect();
    let types = arg_types(command);
    let answer = answer(command);
    let (way, call) = match command.delivery {
        Delivery::Balanced => (quote!(balanced), quote!(#rt::Balanced<#answer>)),
        Delivery::Gather => (quote!(gather), quote!(#rt::GatherCall<#answer>)),
        Delivery::Broadcast => (quote!(broadcast), quote!(#rt::Broadcast)),
        Delivery::QueuedBalanced => (quote!(queued_balanced), quote!(#rt::QueuedCall)),
        Delivery::QueuedBroadcast => (
            quote!(queued_broadcast),
            quote!(#rt::GatherCall<#rt::Queued>),
        ),
    };
    let body = if command.broken {
        // The build has failed; what counts is that callers need not.
        let used = &names;
        quote! { let _ = (#(#used,)*); loop {} }
    } else {
        let spec = names::spec(name);
        let keyed = command
            .options
            .key
            .as_ref()
            .map(|key| quote!(.keyed(&(#key))));
        // Arguments go by reference, so that a key can still be read from them.
        quote!(self.core.#way(&#spec, &(#(&#names,)*)) #keyed)
    };
    quote! {
        #docs
        #(#deprecated)*
        #cfgs
        #vis fn #name #generics(&self, #(#names: #types),*) -> #call #bound {
            #body
        }
    }
}
