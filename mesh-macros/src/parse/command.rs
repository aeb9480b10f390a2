//! `queued broadcast fn name(arg: Type) -> Type;`.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{
    Generics, Ident, Result, Token, Type, ext::IdentExt, parenthesized, parse::ParseStream, token,
};

use super::{any_ident, last_span, skip_one, skip_to, starts_node_item};
use crate::{
    ast::{ArgItem, Attr, CommandItem},
    errors::{self, Errors},
};

/// `queued broadcast fn name(arg: Type) -> Type;`
pub(super) fn command(
    input: ParseStream<'_>,
    attrs: Vec<Attr>,
    errors: &mut Errors,
) -> Result<CommandItem> {
    let mut broken = false;
    let mut delivery = Vec::new();
    while !input.peek(Token![fn]) {
        let span = input.span();
        match any_ident(input) {
            Some(word) => delivery.push(word),
            None => break,
        }
        if input.is_empty() {
            return Err(errors::stray(span));
        }
    }
    let name = if input.peek(Token![fn]) {
        let keyword = input.span();
        skip_one(input);
        input
            .parse::<Ident>()
            .map_err(|_| errors::missing_command_name(keyword))?
    } else if delivery.len() > 1 && (input.peek(token::Paren) || input.peek(Token![<])) {
        let name = delivery
            .pop()
            .filter(|name| syn::parse2::<Ident>(name.to_token_stream()).is_ok());
        let name = name.ok_or_else(|| errors::stray(input.span()))?;
        errors.push(errors::missing_fn(name.span(), &name));
        name
    } else {
        let span = delivery.first().map_or(input.span(), Ident::span);
        return Err(errors::stray(span));
    };
    let mut generics = Generics::default();
    if input.peek(Token![<]) {
        errors.push(errors::generics(input.span()));
        broken = true;
        match input.parse() {
            Ok(written) => generics = written,
            Err(_) => skip_to(input, |input| {
                input.peek(token::Paren) || input.peek(Token![;])
            }),
        }
    }
    let mut command = CommandItem {
        attrs,
        delivery,
        name,
        generics,
        args: Vec::new(),
        returns: None,
        broken,
    };
    let mut end = command.name.span();
    if input.peek(token::Paren) {
        let content;
        let parentheses = parenthesized!(content in input);
        end = parentheses.span.close();
        arguments(&content, &mut command, errors);
    } else {
        errors.push(errors::missing_parentheses(
            command.name.span(),
            &command.name,
        ));
        command.broken = true;
    }
    if input.peek(Token![->]) {
        let arrow = input.span();
        skip_one(input); // `-`
        skip_one(input); // `>`
        match type_here(input, "the type of the answer after `->`", arrow) {
            Ok(ty) => {
                end = last_span(&ty);
                command.returns = Some(ty);
            }
            Err(error) => {
                errors.push(error);
                command.broken = true;
                skip_to(input, |input| {
                    input.peek(Token![;]) || starts_node_item(input)
                });
            }
        }
    }
    if input.peek(Token![where]) {
        errors.push(errors::where_clause(input.span()));
        skip_to(input, |input| {
            input.peek(Token![;]) || input.peek(token::Brace)
        });
    }
    if input.peek(token::Brace) {
        errors.push(errors::command_with_body(input.span()));
        skip_one(input);
        if input.peek(Token![;]) {
            skip_one(input);
        }
    } else if input.peek(Token![;]) {
        skip_one(input);
    } else {
        errors.push(errors::missing_semicolon(end, "the command"));
        skip_to(input, |input| {
            input.peek(Token![;]) || starts_node_item(input)
        });
        if input.peek(Token![;]) {
            skip_one(input);
        }
    }
    Ok(command)
}

/// Parses what is between a command's parentheses.
fn arguments(input: ParseStream<'_>, command: &mut CommandItem, errors: &mut Errors) {
    while !input.is_empty() {
        match argument(input, errors) {
            Ok(Some(arg)) => command.args.push(arg),
            Ok(None) => {}
            Err(error) => {
                errors.push(error);
                command.broken = true;
                skip_to(input, |input| input.peek(Token![,]));
            }
        }
        if !input.is_empty() && !input.peek(Token![,]) {
            errors.push(errors::bad_type(input.span(), "`,` between arguments"));
            command.broken = true;
            skip_to(input, |input| input.peek(Token![,]));
        }
        if input.peek(Token![,]) {
            skip_one(input);
        }
    }
}

/// `name: Type`; `None` for a `self`, which is reported and left out.
fn argument(input: ParseStream<'_>, errors: &mut Errors) -> Result<Option<ArgItem>> {
    while input.peek(Token![#]) {
        errors.push(errors::attribute_on_argument(input.span()));
        skip_one(input);
        if input.peek(token::Bracket) {
            skip_one(input);
        }
    }
    if is_receiver(input) {
        errors.push(errors::self_argument(input.span()));
        skip_to(input, |input| input.peek(Token![,]));
        return Ok(None);
    }
    if input.peek(Token![...]) {
        return Err(errors::variadic(input.span()));
    }
    if input.peek(Token![mut]) && input.peek2(Ident) {
        errors.push(errors::pattern_argument(input.span()));
        skip_one(input);
    }
    let span = input.span();
    let Ok(name) = input.parse::<Ident>() else {
        return Err(errors::pattern_argument(span));
    };
    if !input.peek(Token![:]) || input.peek(Token![::]) {
        if input.is_empty()
            || input.peek(Token![,])
            || input.peek(Token![::])
            || input.peek(Token![<])
        {
            return Err(errors::argument_without_type(span, &name.to_string()));
        }
        if input.peek(Ident::peek_any) {
            // `name Type`
            return Err(errors::argument_without_type(span, &name.to_string()));
        }
        return Err(errors::pattern_argument(span));
    }
    let colon = input.span();
    skip_one(input);
    let ty = type_here(input, "the type of the argument after `:`", colon)?;
    Ok(Some(ArgItem { name, ty }))
}

/// Whether the argument is one of the forms of `self`.
fn is_receiver(input: ParseStream<'_>) -> bool {
    let fork = input.fork();
    if fork.peek(Token![&]) {
        skip_one(&fork);
        if fork.peek(syn::Lifetime) {
            let _ = fork.parse::<syn::Lifetime>();
        }
    }
    if fork.peek(Token![mut]) {
        skip_one(&fork);
    }
    fork.peek(Token![self])
}

fn type_here(input: ParseStream<'_>, what: &str, before: Span) -> Result<Type> {
    if input.is_empty() || input.peek(Token![;]) || input.peek(Token![,]) {
        return Err(errors::bad_type(before, what));
    }
    let span = input.span();
    input.parse().map_err(|_| errors::bad_type(span, what))
}
