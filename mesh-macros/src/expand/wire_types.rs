//! Holds each distinct type of the schema against what travelling asks of it, once, at the place where the
//! schema names it first. Everything else relies on the wire_type: see `wire_type.rs` in the runtime.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Type, spanned::Spanned};

use super::Cx;
use crate::{
    ast::AttrValue,
    model::{Command, Schema},
    names,
};

/// One wire_type for each distinct type.
pub(super) struct WireTypes<'a>(Vec<Use<'a>>);

/// A type, and the commands that use it.
struct Use<'a> {
    ty: &'a Type,
    text: String,
    commands: Vec<&'a Command>,
}

impl<'a> WireTypes<'a> {
    pub(super) fn new(schema: &'a Schema) -> Self {
        let mut uses: Vec<Use<'a>> = Vec::new();
        let commands = schema.declared().flat_map(|node| &node.commands);
        for command in commands.filter(|command| !command.broken) {
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
        Self(uses)
    }

    /// The wire_type for the tuple of a command's arguments.
    pub(super) fn args(&self, command: &Command) -> TokenStream {
        let wire_types = command.args.iter().map(|arg| self.of(&arg.ty));
        quote!((#(#wire_types,)*))
    }

    /// The wire_type for a command's answer.
    pub(super) fn answer(&self, command: &Command) -> TokenStream {
        match &command.returns {
            Some(ty) => self.of(ty).to_token_stream(),
            None => quote!(()),
        }
    }

    /// The wire_types for a command's arguments one by one, and for its answer.
    pub(super) fn each(&self, command: &Command) -> Vec<TokenStream> {
        let args = command.args.iter().map(|arg| self.of(&arg.ty));
        args.map(ToTokens::into_token_stream)
            .chain([self.answer(command)])
            .collect()
    }

    fn of(&self, ty: &Type) -> Ident {
        let text = names::text(ty.to_token_stream());
        // A type that is not there belongs to a broken command, whose wire_type nobody asks for.
        name(
            self.0
                .iter()
                .position(|used| used.text == text)
                .unwrap_or(usize::MAX),
        )
    }

    pub(super) fn declarations(&self, cx: &Cx<'_>) -> TokenStream {
        let rt = &cx.rt;
        let declarations = self.0.iter().enumerate().map(|(index, used)| {
            let ty = used.ty;
            let wire_type = name(index);
            let cfg = condition(&used.commands);
            quote_spanned! {ty.span()=>
                #cfg
                struct #wire_type;
                #cfg
                impl #rt::WireType for #wire_type {
                    type Type = #ty;
                }
            }
        });
        declarations.collect()
    }
}

fn name(index: usize) -> Ident {
    format_ident!("__Type{index}")
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
