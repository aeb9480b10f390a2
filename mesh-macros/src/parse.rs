//! Tokens → syntax tree. The parser recovers: after a mistake it keeps what it understood of the broken item, and goes
//! on with the next one. Knows nothing of what names mean.

mod attributes;
mod command;
mod peers;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Ident, Path, Result, Token, Visibility, braced,
    ext::IdentExt,
    parse::{ParseStream, Parser},
    token,
};

use self::{attributes::attributes, command::command};
use crate::{
    ast::{Attr, Grammar, MeshItem, NodeItem, SchemaItem},
    errors::{self, Errors},
};

/// Parses all tokens that one macro was given. Always returns a schema, even if it understood little of it.
pub(crate) fn parse(tokens: TokenStream, grammar: Grammar, errors: &mut Errors) -> SchemaItem {
    let mut schema = SchemaItem {
        grammar,
        ..SchemaItem::default()
    };
    let outcome = (|input: ParseStream<'_>| {
        items(input, &mut schema, errors);
        Ok(())
    })
    .parse2(tokens);
    if let Err(error) = outcome {
        // Tokens are left in a group that was abandoned after an error. That error has been reported already,
        // unless there is none at all.
        if errors.is_empty() {
            errors.push(error);
        }
    }
    schema
}

/// The items of a schema, up to the end of `input`.
fn items(input: ParseStream<'_>, schema: &mut SchemaItem, errors: &mut Errors) {
    while !input.is_empty() {
        let start = input.cursor();
        if let Err(error) = item(input, schema, errors) {
            errors.push(error);
            skip(input, start == input.cursor(), starts_item);
        }
    }
}

fn item(input: ParseStream<'_>, schema: &mut SchemaItem, errors: &mut Errors) -> Result<()> {
    let attrs = attributes(input, errors)?;
    if input.is_empty() {
        return match attrs.first() {
            Some(attr) => Err(errors::dangling_attribute(attr.span)),
            None => Ok(()),
        };
    }
    let vis_span = input.span();
    let vis: Visibility = input.parse()?;
    let span = input.span();
    let Some(word) = any_ident(input) else {
        return Err(errors::expected_item(span, schema.grammar));
    };
    match word.to_string().as_str() {
        "mesh" if schema.grammar == Grammar::Nodes => Err(errors::mesh_beside_node(word.span())),
        "mesh" => mesh(input, attrs, vis, schema, errors),
        "node" => {
            if schema.grammar == Grammar::Schema && !matches!(vis, Visibility::Inherited) {
                errors.push(errors::visibility_on_node(vis_span));
            }
            node(input, attrs, vis, schema, errors)
        }
        "runtime" => runtime(input, word.span(), schema, errors),
        "balanced" | "broadcast" | "queued" | "allow" | "connect" | "reverse" => {
            Err(errors::command_outside_node(word.span()))
        }
        keyword @ ("use" | "struct" | "enum" | "type" | "impl" | "trait" | "fn" | "async"
        | "mod" | "const" | "static" | "macro_rules" | "let" | "extern" | "unsafe") => {
            Err(errors::rust_item(word.span(), keyword))
        }
        found => {
            let error = errors::unknown_item(word.span(), found);
            // A misspelt item is still parsed, so that links to it do not become errors too.
            let meant = errors::nearest(found, ["mesh", "node"]);
            if input.peek(Ident) && meant == Some("mesh") && schema.grammar == Grammar::Schema {
                errors.push(error);
                return mesh(input, attrs, vis, schema, errors);
            }
            if input.peek(Ident) && (meant == Some("node") || input.peek2(token::Brace)) {
                errors.push(error);
                return node(input, attrs, vis, schema, errors);
            }
            Err(error)
        }
    }
}

/// `= ::path;`
fn runtime(
    input: ParseStream<'_>,
    span: Span,
    schema: &mut SchemaItem,
    errors: &mut Errors,
) -> Result<()> {
    let path = input
        .parse::<Token![=]>()
        .and_then(|_| input.call(Path::parse_mod_style))
        .map_err(errors::bad_runtime)?;
    semicolon(input, &path, "the path of the runtime", errors);
    if schema.runtime.is_some() {
        return Err(errors::second_runtime(span));
    }
    schema.runtime = Some(path);
    Ok(())
}

/// `Name;`
fn mesh(
    input: ParseStream<'_>,
    attrs: Vec<Attr>,
    vis: Visibility,
    schema: &mut SchemaItem,
    errors: &mut Errors,
) -> Result<()> {
    schema.mesh_is_tried = true;
    let name: Ident = input
        .parse()
        .map_err(|error| errors::missing_name(error.span(), "mesh"))?;
    schema.meshes.push(MeshItem {
        attrs,
        vis,
        name: name.clone(),
    });
    if input.peek(token::Brace) {
        errors.push(errors::mesh_with_body(input.span()));
        let content;
        braced!(content in input);
        items(&content, schema, errors);
        return Ok(());
    }
    semicolon(input, &name, "the name of the mesh", errors);
    Ok(())
}

/// `Name { … }` or `path::Name;`
fn node(
    input: ParseStream<'_>,
    attrs: Vec<Attr>,
    vis: Visibility,
    schema: &mut SchemaItem,
    errors: &mut Errors,
) -> Result<()> {
    let (name, path) = node_name(input)?;
    if let Some(path) = &path {
        if input.peek(token::Brace) {
            errors.push(errors::path_with_body(path, &name));
        } else {
            semicolon(input, path, "the path of the node", errors);
            if schema.grammar == Grammar::Nodes {
                return Err(errors::path_beside_node(path));
            }
            if let Some(attr) = attrs.first() {
                errors.push(errors::attribute_on_node_elsewhere(attr.span));
            }
        }
    }
    let mut node = NodeItem {
        attrs,
        vis,
        name,
        elsewhere: path.filter(|_| !input.peek(token::Brace)),
        allow: Vec::new(),
        connect: Vec::new(),
        reverse: Vec::new(),
        commands: Vec::new(),
    };
    if node.elsewhere.is_some() {
        node.attrs.clear();
        schema.nodes.push(node);
        return Ok(());
    }
    if input.peek(Token![<]) {
        errors.push(errors::generics_on_node(input.span()));
        while !input.is_empty() && !input.peek(token::Brace) && !input.peek(Token![;]) {
            skip_one(input);
        }
    }
    if input.peek(token::Brace) {
        let content;
        braced!(content in input);
        while !content.is_empty() {
            let start = content.cursor();
            if let Err(error) = node_item(&content, &mut node, errors) {
                errors.push(error);
                skip(&content, start == content.cursor(), starts_node_item);
            }
        }
        if input.peek(Token![;]) {
            // A `;` after the braces is harmless.
            skip_one(input);
        }
    } else {
        errors.push(errors::node_without_body(&node.name, schema.grammar));
        if input.peek(Token![;]) {
            skip_one(input);
        }
    }
    schema.nodes.push(node);
    Ok(())
}

/// A plain name; for a path, its last name and the path.
fn node_name(input: ParseStream<'_>) -> Result<(Ident, Option<Path>)> {
    let missing = |error: syn::Error| errors::missing_name(error.span(), "node");
    if !input.peek(Token![::]) && !input.peek2(Token![::]) {
        return Ok((input.parse().map_err(missing)?, None));
    }
    let path = input.call(Path::parse_mod_style).map_err(missing)?;
    match path.segments.last() {
        Some(last) => Ok((last.ident.clone(), Some(path))),
        None => Err(errors::missing_name(input.span(), "node")),
    }
}

/// One `allow`, `connect` or command.
fn node_item(input: ParseStream<'_>, node: &mut NodeItem, errors: &mut Errors) -> Result<()> {
    let attrs = attributes(input, errors)?;
    if input.is_empty() {
        return match attrs.first() {
            Some(attr) => Err(errors::dangling_attribute(attr.span)),
            None => Ok(()),
        };
    }
    if input.peek(Token![pub]) {
        errors.push(errors::visibility_on_command(input.span()));
        input.parse::<Visibility>()?;
    }
    if !input.peek(Ident::peek_any) {
        return Err(errors::stray(input.span()));
    }
    if peers::is_setting(input) {
        return peers::setting(input, &attrs, node, errors);
    }
    let command = command(input, attrs, errors)?;
    node.commands.push(command);
    Ok(())
}

/// Consumes a `;`, or reports right after `after` that it is missing.
fn semicolon(input: ParseStream<'_>, after: &impl ToTokens, what: &str, errors: &mut Errors) {
    if input.peek(Token![;]) {
        skip_one(input);
    } else {
        errors.push(errors::missing_semicolon(last_span(after), what));
    }
}

fn last_span(tokens: &impl ToTokens) -> Span {
    tokens
        .to_token_stream()
        .into_iter()
        .last()
        .map_or_else(Span::call_site, |tree| tree.span())
}

/// An identifier or keyword, if one is next.
fn any_ident(input: ParseStream<'_>) -> Option<Ident> {
    if input.peek(Ident::peek_any) {
        input.call(Ident::parse_any).ok()
    } else {
        None
    }
}

/// Skips one token or one whole group.
fn skip_one(input: ParseStream<'_>) {
    // Fails at the end only, where there is nothing to skip.
    let _ = input.parse::<TokenTree>();
}

fn skip_to(input: ParseStream<'_>, stop: impl Fn(ParseStream<'_>) -> bool) {
    while !input.is_empty() && !stop(input) {
        skip_one(input);
    }
}

/// After a mistake: skips the rest of the item. It ends with a `;`, with braces, or where the next item begins.
fn skip(input: ParseStream<'_>, nothing_taken: bool, starts: fn(ParseStream<'_>) -> bool) {
    let mut first = nothing_taken;
    while !input.is_empty() && (first || !starts(input)) {
        first = false;
        let last = input.peek(Token![;]) || input.peek(token::Brace);
        skip_one(input);
        if last {
            break;
        }
    }
}

/// Whether an item of the schema seems to begin here.
fn starts_item(input: ParseStream<'_>) -> bool {
    if input.peek(Token![#]) && input.peek2(token::Bracket) || input.peek(Token![pub]) {
        return true;
    }
    let fork = input.fork();
    any_ident(&fork).is_some_and(|word| word == "node" || word == "mesh")
        && (fork.peek(Ident) || fork.peek(Token![::]) || fork.peek2(Token![::]))
}

/// Whether an item of a node seems to begin here.
fn starts_node_item(input: ParseStream<'_>) -> bool {
    if input.peek(Token![#]) && input.peek2(token::Bracket) {
        return true;
    }
    let fork = input.fork();
    let Some(word) = any_ident(&fork) else {
        return false;
    };
    match word.to_string().as_str() {
        "allow" | "connect" | "reverse" => fork.peek(Token![:]),
        "balanced" | "broadcast" | "queued" => fork.peek(Ident::peek_any),
        _ => false,
    }
}
