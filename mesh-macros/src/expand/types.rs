//! Holds each distinct type of the schema against what travelling asks of it, at the place where the schema
//! names it first.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Type, spanned::Spanned};

use super::Cx;
use crate::{
    ast::AttrValue,
    model::{Command, NodeType},
    names,
};

/// A type, and the commands that use it.
struct Use<'a> {
    ty: &'a Type,
    text: String,
    commands: Vec<&'a Command>,
}

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let rt = &cx.rt;
    let uses = distinct(&cx.schema.nodes);
    if uses.is_empty() {
        return TokenStream::new();
    }
    let checks = uses.iter().map(|used| {
        let ty = used.ty;
        let cfg = condition(&used.commands);
        quote_spanned! {ty.span()=>
            #cfg
            const _: fn() = #rt::argument_or_answer::<#ty>;
        }
    });
    quote! {
        const _: () = {
            #(#checks)*
        };
    }
}

fn distinct(nodes: &[NodeType]) -> Vec<Use<'_>> {
    let mut uses: Vec<Use<'_>> = Vec::new();
    for command in nodes
        .iter()
        .flat_map(|node| &node.commands)
        .filter(|command| !command.broken)
    {
        for ty in command
            .args
            .iter()
            .map(|arg| &arg.ty)
            .chain(&command.returns)
        {
            let text = names::text(ty.to_token_stream());
            match uses.iter_mut().find(|used| used.text == text) {
                Some(used) => used.commands.push(command),
                None => uses.push(Use {
                    ty,
                    text,
                    commands: vec![command],
                }),
            }
        }
    }
    uses
}

/// The `#[cfg]` under which at least one of the commands is there.
fn condition(commands: &[&Command]) -> TokenStream {
    if commands.iter().any(|command| command.cfgs.is_empty()) {
        return TokenStream::new();
    }
    let each = commands.iter().map(|command| {
        let all = command.cfgs.iter().filter_map(|cfg| match &cfg.value {
            AttrValue::List(list) => Some(list),
            _ => None,
        });
        quote!(all(#(#all),*))
    });
    quote!(#[cfg(any(#(#each),*))])
}
