//! The signatures of commands, and the types in them.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{Error, Ident, Type};

use super::{at, or_nearest, over};

pub(crate) fn no_delivery(span: Span, name: &Ident) -> Error {
    at(
        span,
        format!(
            "say how `{name}` is delivered: `balanced` (one instance), `broadcast` (all), `queued balanced` or `queued broadcast` (processed later)"
        ),
    )
}

pub(crate) fn unknown_delivery(word: &Ident) -> Error {
    let text = word.to_string();
    let meant = or_nearest(&text, ["balanced", "broadcast", "queued"], "there are");
    at(
        word.span(),
        format!("`{text}` is no way to deliver a command{meant}"),
    )
}

pub(crate) fn rust_qualifier(word: &Ident) -> Error {
    let why = match word.to_string().as_str() {
        "async" => {
            "every command is asynchronous: drop `async`, and write it at the handler's method"
                .to_string()
        }
        other => format!("a command cannot be `{other}`: drop it"),
    };
    at(word.span(), why)
}

pub(crate) fn balanced_and_broadcast(words: &[Ident]) -> Error {
    over(
        tokens(words),
        "`balanced` is one instance and `broadcast` is all of them: keep one of the two",
    )
}

pub(crate) fn queued_alone(word: &Ident) -> Error {
    at(
        word.span(),
        "`queued` needs to know who processes the job: `queued balanced` (one instance) or `queued broadcast` (each instance)",
    )
}

pub(crate) fn queued_last(words: &[Ident], right: &str) -> Error {
    over(tokens(words), format!("`queued` comes first: `{right}`"))
}

pub(crate) fn repeated_delivery(word: &Ident) -> Error {
    at(word.span(), format!("`{word}` stands twice: drop one"))
}

pub(crate) fn queued_with_return(ty: &Type) -> Error {
    over(
        ty,
        "a queued command is processed later and answers nothing: drop the `->`; the caller learns the job's id, and the handler returns `Result<(), JobError>`",
    )
}

pub(crate) fn missing_fn(span: Span, name: &Ident) -> Error {
    at(
        span,
        format!("expected `fn` before the command's name: `fn {name}(..)`"),
    )
}

pub(crate) fn missing_command_name(span: Span) -> Error {
    at(span, "expected the name of the command after `fn`")
}

pub(crate) fn missing_parentheses(span: Span, name: &Ident) -> Error {
    at(
        span,
        format!("expected parentheses with the arguments: `fn {name}()` is a command without any"),
    )
}

pub(crate) fn generics(span: Span) -> Error {
    at(
        span,
        "a command has no generics and no lifetimes: what travels must be of one known type, so write one command for each type",
    )
}

pub(crate) fn where_clause(span: Span) -> Error {
    at(
        span,
        "a command has no `where`: there is nothing generic in it to bound",
    )
}

pub(crate) fn command_with_body(span: Span) -> Error {
    at(
        span,
        "a schema only declares: end the command with `;` and write its body in the handler",
    )
}

pub(crate) fn self_argument(span: Span) -> Error {
    at(
        span,
        "a command is declared without `self`: the handler's method has it anyway",
    )
}

pub(crate) fn pattern_argument(span: Span) -> Error {
    at(
        span,
        "an argument is a plain name and a type, as in `order: Order`: patterns and `mut` belong in the handler",
    )
}

pub(crate) fn argument_without_type(span: Span, name: &str) -> Error {
    let (name, ty) = match name.chars().next() {
        Some(first) if first.is_uppercase() => (name.to_lowercase(), name.to_string()),
        _ => (name.to_string(), "Type".to_string()),
    };
    at(
        span,
        format!("an argument is a name and a type, as in `{name}: {ty}`"),
    )
}

pub(crate) fn attribute_on_argument(span: Span) -> Error {
    at(
        span,
        "an argument takes no attributes and no doc comments: describe it above the command",
    )
}

pub(crate) fn variadic(span: Span) -> Error {
    at(
        span,
        "a command has a fixed number of arguments: take a `Vec` of them instead",
    )
}

pub(crate) fn bad_type(span: Span, what: &str) -> Error {
    at(span, format!("expected {what}"))
}

pub(crate) fn too_many_arguments(name: &Ident, limit: usize) -> Error {
    at(
        name.span(),
        format!("a command has at most {limit} arguments: put them into a struct"),
    )
}

pub(crate) fn reference_type(ty: impl ToTokens, owned: Option<&str>) -> Error {
    let fix = match owned {
        Some(owned) => format!("`{owned}`"),
        None => "the owned type".to_string(),
    };
    over(
        ty,
        format!("a reference cannot travel to another process: use {fix}"),
    )
}

pub(crate) fn lifetime_in_type(lifetime: impl ToTokens) -> Error {
    over(
        lifetime,
        "a type that borrows cannot travel to another process: use an owned type, or `'static` where the type can own what it holds",
    )
}

pub(crate) fn impl_trait_type(ty: impl ToTokens) -> Error {
    over(
        ty,
        "`impl Trait` names no type that could be read on the other side: name a concrete type",
    )
}

pub(crate) fn dyn_type(ty: impl ToTokens) -> Error {
    over(
        ty,
        "`dyn Trait` names no type that could be read on the other side: name a concrete type, such as an enum of the cases",
    )
}

pub(crate) fn pointer_type(ty: impl ToTokens) -> Error {
    over(
        ty,
        "a pointer means nothing in another process: send the value",
    )
}

pub(crate) fn infer_type(ty: impl ToTokens) -> Error {
    over(
        ty,
        "both sides must know the type: write it in place of `_`",
    )
}

pub(crate) fn never_type(ty: impl ToTokens) -> Error {
    over(
        ty,
        "`!` has no value that could travel: a command without an answer has no `->`",
    )
}

pub(crate) fn self_type(ty: impl ToTokens) -> Error {
    over(ty, "`Self` means nothing in a schema: name the type")
}

fn tokens(words: &[Ident]) -> TokenStream {
    words.iter().map(ToTokens::to_token_stream).collect()
}
