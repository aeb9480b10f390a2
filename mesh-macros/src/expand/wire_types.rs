//! Checks each distinct type of the schema once, where the schema names it first: a type must be able to travel as an
//! argument or an answer. Each has a hidden function that returns its wire type, and whose body is that check.
//! Everything else calls the function. See `wire_type.rs` in the runtime.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use super::Cx;
use crate::{
    ast::AttrValue,
    model::{Command, Schema},
    names,
};

/// One wire type for each distinct type.
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

    /// The wire type of a command's arguments, which travel as a tuple.
    pub(super) fn args(&self, command: &Command) -> TokenStream {
        let wire_types = command.args.iter().map(|arg| self.of(&arg.ty));
        quote!((#(#wire_types,)*))
    }

    /// The wire type of a command's answer.
    pub(super) fn answer(&self, command: &Command) -> TokenStream {
        match &command.returns {
            Some(ty) => self.of(ty),
            None => quote!(()),
        }
    }

    /// The wire types of a command's arguments one by one, and of its answer.
    pub(super) fn each(&self, command: &Command) -> Vec<TokenStream> {
        let args = command.args.iter().map(|arg| self.of(&arg.ty));
        args.chain([self.answer(command)]).collect()
    }

    fn of(&self, ty: &Type) -> TokenStream {
        let text = names::text(ty.to_token_stream());
        // A type that is not in the list belongs to a broken command, whose wire types are not used.
        let index = self.0.iter().position(|used| used.text == text);
        let wire_type = name(index.unwrap_or(usize::MAX));
        quote!(#wire_type())
    }

    pub(super) fn declarations(&self, cx: &Cx<'_>) -> TokenStream {
        let declarations = self.0.iter().enumerate().map(|(index, used)| {
            let ty = used.ty;
            let wire_type = name(index);
            let cfg = condition(&used.commands);
            // The compiler checks the return type. Its spans begin and end where the type does, so that all of the
            // type is underlined.
            let mut tokens = ty.to_token_stream().into_iter().map(|tree| tree.span());
            let start = tokens.next().unwrap_or_else(Span::call_site);
            let end = tokens.last().unwrap_or(start);
            let rt = cx.rt_at(start);
            let open = quote_spanned!(start=> impl #rt::WireType<Type = #ty);
            let close = quote_spanned!(end=> >);
            quote_spanned! {start=>
                #cfg
                const fn #wire_type() -> #open #close {
                    #rt::wire()
                }
            }
        });
        declarations.collect()
    }
}

fn name(index: usize) -> Ident {
    format_ident!("__type{index}")
}

/// The `#[cfg]` under which at least one of the commands exists.
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
