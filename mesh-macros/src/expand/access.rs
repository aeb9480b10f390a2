//! Who may call whom, as trait implementations. Their spans are the entries of the schema that grant it, as
//! that is where rustc leads the author of a refused call.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, ext::IdentExt};

use super::{Cx, cfgs, place};
use crate::model::{Command, NodeType};

/// One `MayCall` for each pair that may: a link lets either end call the other.
pub(super) fn links(cx: &Cx<'_>) -> TokenStream {
    let rt = &cx.rt;
    let mut done = HashSet::new();
    let mut output = TokenStream::new();
    for link in cx.schema.links() {
        for (caller, callee) in [(link.from, link.to), (link.to, link.from)] {
            if done.insert((caller, callee)) {
                let (caller, callee) =
                    (&cx.schema.nodes[caller].name, &cx.schema.nodes[callee].name);
                output.extend(quote_spanned! {link.span=>
                    impl #rt::MayCall<#callee> for #caller {}
                });
            }
        }
    }
    output
}

/// For a command with `#[allow(..)]`: a type that stands for it, and the callers that it lists.
pub(super) fn narrowed(cx: &Cx<'_>, node: &NodeType, command: &Command) -> TokenStream {
    let Some(callers) = &command.options.allow else {
        return TokenStream::new();
    };
    let rt = &cx.rt;
    let cfgs = cfgs(command);
    let name = &command.name;
    let module = module(command);
    let marker = marker(command);
    let callee = &node.name;
    let grants = callers.iter().map(|caller| {
        quote_spanned! {caller.span()=>
            #cfgs
            impl #rt::MayCallCommand<#callee, #marker> for #caller {}
        }
    });
    quote! {
        #cfgs
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        mod #module {
            pub enum #name {}
        }

        #(#grants)*
    }
}

/// The bound on a narrowed command's method.
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

/// The type that stands for a command. It is called like the command, as the compiler's messages print it, and so
/// has a module of its own: there it shadows nothing that the user names.
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
