//! Tokens → what was written. Recovers: after a mistake it goes on at the next item, and keeps of the broken
//! one what it understood. Knows nothing of what names mean.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Generics, Ident, Result, Token, Type, Visibility, braced, bracketed,
    ext::IdentExt,
    parenthesized,
    parse::{ParseStream, Parser},
    token,
};

use crate::{
    ast::{
        ArgItem, Attr, AttrValue, CommandItem, MeshItem, NodeItem, Peers, PeersItem, SchemaItem,
    },
    errors::{self, Errors},
};

/// Reads a whole schema. Always gives one, however little of it is left.
pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> SchemaItem {
    let mut schema = SchemaItem::default();
    let outcome = (|input: ParseStream<'_>| {
        items(input, &mut schema, errors);
        Ok(())
    })
    .parse2(tokens);
    if let Err(error) = outcome {
        // Left-overs of a group that an error made us leave; what is wrong there has been said already,
        // unless nothing has been said at all.
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
        return Err(errors::expected_item(span));
    };
    match word.to_string().as_str() {
        "mesh" => mesh(input, attrs, vis, schema, errors),
        "node" => {
            if !matches!(vis, Visibility::Inherited) {
                errors.push(errors::visibility_on_node(vis_span));
            }
            node(input, attrs, schema, errors)
        }
        "runtime" => runtime(input, word.span(), schema, errors),
        "balanced" | "broadcast" | "queued" | "allow" | "connect" => {
            Err(errors::command_outside_node(word.span()))
        }
        keyword @ ("use" | "struct" | "enum" | "type" | "impl" | "trait" | "fn" | "async"
        | "mod" | "const" | "static" | "macro_rules" | "let" | "extern" | "unsafe") => {
            Err(errors::rust_item(word.span(), keyword))
        }
        found => {
            let error = errors::unknown_item(word.span(), found);
            // What is misspelt is still read, so that links to it do not become errors too.
            let meant = errors::nearest(found, ["mesh", "node"]);
            if input.peek(Ident) && meant == Some("mesh") {
                errors.push(error);
                return mesh(input, attrs, vis, schema, errors);
            }
            if input.peek(Ident) && (meant == Some("node") || input.peek2(token::Brace)) {
                errors.push(error);
                return node(input, attrs, schema, errors);
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
        .and_then(|_| input.call(syn::Path::parse_mod_style))
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

/// `Name { … }`
fn node(
    input: ParseStream<'_>,
    attrs: Vec<Attr>,
    schema: &mut SchemaItem,
    errors: &mut Errors,
) -> Result<()> {
    let name: Ident = input
        .parse()
        .map_err(|error| errors::missing_name(error.span(), "node"))?;
    let mut node = NodeItem {
        attrs,
        name,
        allow: Vec::new(),
        connect: Vec::new(),
        commands: Vec::new(),
    };
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
            // Harmless, and what a writer of structs may type.
            skip_one(input);
        }
    } else {
        errors.push(errors::node_without_body(node.name.span(), &node.name));
        if input.peek(Token![;]) {
            skip_one(input);
        }
    }
    schema.nodes.push(node);
    Ok(())
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
    if is_setting(input) {
        return setting(input, &attrs, node, errors);
    }
    let command = command(input, attrs, errors)?;
    node.commands.push(command);
    Ok(())
}

/// Whether the next words are `name: …` or an `allow`/`connect` that lacks its colon, rather than a command.
fn is_setting(input: ParseStream<'_>) -> bool {
    if input.peek2(Token![:]) || input.peek2(Token![=]) || input.peek2(token::Bracket) {
        return true;
    }
    let fork = input.fork();
    any_ident(&fork).is_some_and(|word| word == "allow" || word == "connect")
        && !fork.peek(Token![fn])
        && !fork.peek(token::Paren)
}

/// `allow: [A, B];` or `connect: any;`
fn setting(
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
    let known = keyword == "allow" || keyword == "connect";
    let name = keyword.to_string();
    let slot = match crate::errors::nearest(&name, ["allow", "connect"]) {
        Some("connect") => &mut node.connect,
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

/// What stands behind the colon, and where it ends.
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

/// The names between brackets. A missing comma or a path costs no name, so that links do not become errors too.
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

/// `queued broadcast fn name(arg: Type) -> Type;`
fn command(input: ParseStream<'_>, attrs: Vec<Attr>, errors: &mut Errors) -> Result<CommandItem> {
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

/// What stands between a command's parentheses.
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

/// `name: Type`; nothing for a `self`, which is complained about and left out.
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

/// Doc comments and `#[…]`, whatever they say.
fn attributes(input: ParseStream<'_>, errors: &mut Errors) -> Result<Vec<Attr>> {
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

/// What stands between the brackets of an attribute.
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

/// Takes a `;`, or says that it is missing, right behind `after`.
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

/// Passes over one token or one whole group.
fn skip_one(input: ParseStream<'_>) {
    // Fails at the end only, where there is nothing to pass over.
    let _ = input.parse::<TokenTree>();
}

fn skip_to(input: ParseStream<'_>, stop: impl Fn(ParseStream<'_>) -> bool) {
    while !input.is_empty() && !stop(input) {
        skip_one(input);
    }
}

/// After a mistake: passes over the rest of the item. It ends with a `;`, with braces, or where the next begins.
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
    any_ident(&fork).is_some_and(|word| word == "node" || word == "mesh") && fork.peek(Ident)
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
        "allow" | "connect" => fork.peek(Token![:]),
        "balanced" | "broadcast" | "queued" => fork.peek(Ident::peek_any),
        _ => false,
    }
}
