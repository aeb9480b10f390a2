//! `allow: [A, B];`, `connect: any;` and `reverse: none;`.

use proc_macro2::Span;
use syn::{Ident, Result, Token, bracketed, ext::IdentExt, parse::ParseStream, token};

use super::{any_ident, skip_one, skip_to};
use crate::{
    ast::{Attr, NodeItem, Peers, PeersItem, SETTINGS},
    errors::{self, Errors},
};

/// Whether the next words are `name: …` or a setting that lacks its colon, rather than a command.
pub(super) fn is_setting(input: ParseStream<'_>) -> bool {
    if input.peek2(Token![:]) || input.peek2(Token![=]) || input.peek2(token::Bracket) {
        return true;
    }
    let fork = input.fork();
    any_ident(&fork).is_some_and(|word| SETTINGS.iter().any(|setting| word == setting))
        && !fork.peek(Token![fn])
        && !fork.peek(token::Paren)
}

/// `allow: [A, B];`, `connect: any;` or `reverse: none;`
pub(super) fn setting(
    input: ParseStream<'_>,
    attrs: &[Attr],
    node: &mut NodeItem,
    errors: &mut Errors,
) -> Result<()> {
    let keyword: Ident = input.call(Ident::parse_any)?;
    if let Some(attr) = attrs.first() {
        errors.push(errors::attribute_on_peers(attr.span, &keyword));
    }
    if input.peek(Token![:]) {
        skip_one(input);
    } else {
        errors.push(errors::setting_without_colon(input.span(), &keyword));
        if input.peek(Token![=]) {
            skip_one(input);
        }
    }
    let known = SETTINGS.iter().any(|setting| keyword == setting);
    let name = keyword.to_string();
    let slot = match errors::nearest(&name, SETTINGS) {
        Some("connect") => &mut node.connect,
        Some("reverse") => &mut node.reverse,
        Some(_) => &mut node.allow,
        None => return Err(errors::unknown_setting(&keyword)),
    };
    if !known {
        errors.push(errors::unknown_setting(&keyword));
    }
    let (peers, end) = peers(input, &keyword, errors)?;
    slot.push(PeersItem { keyword, peers });
    if input.peek(Token![;]) {
        skip_one(input);
    } else {
        errors.push(errors::missing_semicolon(end, "the list"));
    }
    Ok(())
}

/// What follows the colon, and the span of its end.
fn peers(input: ParseStream<'_>, keyword: &Ident, errors: &mut Errors) -> Result<(Peers, Span)> {
    if input.peek(token::Bracket) {
        let content;
        let brackets = bracketed!(content in input);
        let names = peer_names(&content, keyword, errors);
        return Ok((names, brackets.span.close()));
    }
    let fork = input.fork();
    if let Some(word) = any_ident(&fork).filter(|_| !fork.peek(Token![:])) {
        if word == "any" {
            skip_one(input);
            return Ok((Peers::Any(word.span()), word.span()));
        }
        if word == "none" && keyword == "reverse" {
            skip_one(input);
            return Ok((Peers::Named(Vec::new()), word.span()));
        }
        // `allow: Gateway, Billing;`
        errors.push(errors::peers_without_brackets(word.span(), keyword));
        let mut names = Vec::new();
        while let Some(name) = any_ident(input) {
            names.push(name);
            if !input.peek(Token![,]) {
                break;
            }
            skip_one(input);
        }
        let end = names.last().map_or(word.span(), Ident::span);
        return Ok((Peers::Named(names), end));
    }
    Err(errors::peers_without_brackets(input.span(), keyword))
}

/// The names between brackets. A missing comma or a path loses no name, so that links do not become errors too.
fn peer_names(input: ParseStream<'_>, keyword: &Ident, errors: &mut Errors) -> Peers {
    let mut names = Vec::new();
    let mut any = None;
    while !input.is_empty() {
        let span = input.span();
        match any_ident(input) {
            Some(word) if word == "any" => {
                errors.push(errors::any_in_brackets(span, keyword));
                any = Some(Peers::Any(span));
            }
            Some(word) if input.peek(Token![::]) => {
                errors.push(errors::path_as_peer(span));
                names.push(last_of_path(input, word));
            }
            Some(word) => names.push(word),
            None => {
                errors.push(errors::bad_peer(span));
                skip_to(input, |input| input.peek(Token![,]));
            }
        }
        if input.peek(Token![,]) {
            skip_one(input);
        } else if input.peek(Ident) {
            errors.push(errors::missing_comma(input.span()));
        } else if !input.is_empty() {
            errors.push(errors::bad_peer(input.span()));
            skip_to(input, |input| input.peek(Token![,]));
            skip_one(input);
        }
    }
    any.unwrap_or(Peers::Named(names))
}

/// The last name of a path: most probably the one that is meant.
fn last_of_path(input: ParseStream<'_>, mut last: Ident) -> Ident {
    while input.peek(Token![::]) {
        skip_one(input);
        skip_one(input);
        match any_ident(input) {
            Some(part) => last = part,
            None => break,
        }
    }
    last
}
