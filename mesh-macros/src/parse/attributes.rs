//! Doc comments and `#[…]`, split into name and value.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Result, Token, bracketed, parse::ParseStream, token};

use super::{any_ident, skip_one, skip_to, starts_item, starts_node_item};
use crate::{
    ast::{Attr, AttrValue},
    errors::{self, Errors},
};

/// Parses doc comments and `#[…]`, whatever their names.
pub(super) fn attributes(input: ParseStream<'_>, errors: &mut Errors) -> Result<Vec<Attr>> {
    let mut attrs = Vec::new();
    while input.peek(Token![#]) {
        let span = input.span();
        if input.peek2(Token![!]) {
            errors.push(errors::inner_attribute(span));
            skip_one(input);
            skip_one(input);
            if input.peek(token::Bracket) {
                skip_one(input);
            }
            continue;
        }
        let pound: Token![#] = input.parse()?;
        if !input.peek(token::Bracket) {
            errors.push(errors::bad_attribute(span));
            skip_to(input, |input| {
                input.peek(Token![;]) || starts_item(input) || starts_node_item(input)
            });
            continue;
        }
        let content;
        let bracket = bracketed!(content in input);
        match attribute(&content) {
            Ok((name, span, value, inner)) => {
                let mut tokens = pound.to_token_stream();
                bracket.surround(&mut tokens, |tokens| inner.to_tokens(tokens));
                attrs.push(Attr {
                    name,
                    span,
                    value,
                    tokens,
                });
            }
            Err(error) => {
                errors.push(error);
                skip_to(&content, |_| false);
            }
        }
    }
    Ok(attrs)
}

type AttributeParts = (String, Span, AttrValue, TokenStream);

/// Parses what is between the brackets of an attribute.
fn attribute(input: ParseStream<'_>) -> Result<AttributeParts> {
    let span = input.span();
    let mut inner = TokenStream::new();
    let Some(first) = any_ident(input) else {
        return Err(errors::bad_attribute(span));
    };
    first.to_tokens(&mut inner);
    let mut name = first.to_string();
    while input.peek(Token![::]) {
        input.parse::<Token![::]>()?.to_tokens(&mut inner);
        let Some(part) = any_ident(input) else {
            return Err(errors::bad_attribute(span));
        };
        part.to_tokens(&mut inner);
        name = format!("{name}::{part}");
    }
    let value = if input.is_empty() {
        AttrValue::Word
    } else if input.peek(Token![=]) {
        input.parse::<Token![=]>()?.to_tokens(&mut inner);
        let value: TokenStream = input.parse()?;
        value.to_tokens(&mut inner);
        AttrValue::Equals(value)
    } else if let Some(TokenTree::Group(group)) = input.cursor().token_tree().map(|(tree, _)| tree)
    {
        input.parse::<TokenTree>()?;
        if !input.is_empty() || group.delimiter() == Delimiter::Bracket {
            return Err(errors::bad_attribute(span));
        }
        group.to_tokens(&mut inner);
        AttrValue::List(group.stream())
    } else {
        return Err(errors::bad_attribute(span));
    };
    Ok((name, span, value, inner))
}
