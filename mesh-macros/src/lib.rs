//! The `mesh_schema!` macro.
//!
//! A schema goes through four steps, each a module of its own: [`parse`] reads what was written into [`ast`],
//! [`lower`] reads what it means into [`model`], [`check`] holds it against the rules, [`expand`] writes Rust.
//! No step stops at a mistake: all of them are in [`errors`] at the end, beside an expansion of everything
//! that was understood.

mod ast;
mod check;
mod errors;
mod expand;
mod lower;
mod model;
mod names;
mod options;
mod parse;

use proc_macro2::{Span, TokenStream};

/// Declares a mesh.
#[proc_macro]
pub fn mesh_schema(schema: proc_macro::TokenStream) -> proc_macro::TokenStream {
    pipeline(schema.into()).into()
}

fn pipeline(tokens: TokenStream) -> TokenStream {
    let mut errors = errors::Errors::default();
    let start = tokens
        .clone()
        .into_iter()
        .next()
        .map_or_else(Span::call_site, |first| first.span());
    let fresh = names::Fresh::new(tokens.clone());
    let written = parse::parse(tokens, &mut errors);
    let mut schema = lower::lower(written, &mut errors);
    check::check(&mut schema, start, &mut errors);
    let mut output = expand::expand(&schema, &fresh);
    output.extend(errors.into_tokens());
    output
}
