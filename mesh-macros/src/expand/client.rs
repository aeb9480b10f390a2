//! The stub with which other nodes call a node type.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::{
    Cx, access, answer, arg_names, arg_types, cfgs, docs, docs_of_methods, local, place,
    runtime_name,
};
use crate::{
    delivery::Returns,
    model::{Command, NodeType},
    names,
};

/// The stub's type.
pub(super) fn declaration(cx: &Cx<'_>, node: &NodeType) -> TokenStream {
    let Cx { rt, caller, .. } = cx;
    let vis = &node.vis;
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
    let vis = &node.vis;
    let name = &command.name;
    let rt = cx.rt_at(name.span());
    let docs = docs_of_methods::client_method(cx.schema, node, command);
    let cfgs = cfgs(command);
    let deprecated = &command.deprecated;
    let generics = &command.generics;
    let bound = access::bound(cx, node, command);
    let names: Vec<_> = arg_names(command).collect();
    let types = arg_types(command);
    let answer = answer(command);
    let delivery = command.delivery;
    let stub = runtime_name(delivery.stub);
    let call = runtime_name(delivery.call);
    let call = match delivery.returns {
        Returns::Answer => quote!(#rt::#call<#answer>),
        Returns::Nothing | Returns::JobResult => quote!(#rt::#call),
    };
    let span = place(name);
    let body = if command.broken {
        // The build fails anyway; this body lets callers compile without further errors.
        quote_spanned! {span=>
            let _ = (#(#names,)*);
            loop {}
        }
    } else {
        let spec = names::spec(name);
        let args = cx.wire_types.args(command);
        let types = match delivery.returns {
            Returns::Answer => {
                let answer = cx.wire_types.answer(command);
                quote!(#args, #answer)
            }
            Returns::Nothing | Returns::JobResult => args,
        };
        match &command.options.key {
            None => quote_spanned! {span=>
                #rt::#stub(#types, &self.core, &#spec, &(#(#names,)*))
            },
            // The arguments are moved out of their tuple again, so that the key can name them.
            Some(key) => {
                let (args, call) = (local("args", span), local("call", span));
                quote_spanned! {span=>
                    let #args = (#(#names,)*);
                    let #call = #rt::#stub(#types, &self.core, &#spec, &#args);
                    let (#(#names,)*) = #args;
                    #call.keyed(&(#key))
                }
            }
        }
    };
    // The mistake in the signature is reported already: `impl Trait` as the answer would only cause another error.
    let call = match command.broken && names::text(answer).contains("impl ") {
        true => quote!(#rt::BalancedCall<()>),
        false => call,
    };
    quote_spanned! {span=>
        #docs
        #(#deprecated)*
        #cfgs
        #[allow(unused_variables)]
        #vis fn #name #generics(&self, #(#names: #types),*) -> #call #bound {
            #body
        }
    }
}
