//! `allow`, `connect` and `reverse`.

use proc_macro2::Span;
use syn::{Error, Ident};

use super::{at, or_nearest, place};
use crate::ast::SETTINGS;

pub(crate) fn unknown_setting(name: &Ident) -> Error {
    let text = name.to_string();
    let meant = or_nearest(&text, SETTINGS, "a node has the settings");
    at(
        name.span(),
        format!("`{text}` is no setting of a node{meant}"),
    )
}

pub(crate) fn setting_without_colon(span: Span, keyword: &Ident) -> Error {
    at(span, format!("expected `:`, as in `{keyword}: [Billing];`"))
}

pub(crate) fn peers_without_brackets(span: Span, keyword: &Ident) -> Error {
    at(
        span,
        format!(
            "`{keyword}` takes a list in brackets, as in `{keyword}: [Billing, Audit];`, or the word `any`"
        ),
    )
}

pub(crate) fn any_in_brackets(span: Span, keyword: &Ident) -> Error {
    at(
        span,
        format!("`any` stands without brackets: `{keyword}: any;`"),
    )
}

pub(crate) fn bad_peer(span: Span) -> Error {
    at(
        span,
        "expected the name of a node type: the names in a list are plain and parted by commas",
    )
}

pub(crate) fn missing_comma(span: Span) -> Error {
    at(span, "expected `,` between the names of a list")
}

pub(crate) fn path_as_peer(span: Span) -> Error {
    at(
        span,
        "a node type is named by its plain name here, without a path: it stands in this same schema",
    )
}

pub(crate) fn repeated_setting(keyword: &Ident, what: &str, first: &Ident, node: &Ident) -> Error {
    let place = place(first.span(), keyword.span());
    at(
        keyword.span(),
        format!("`{node}` has {what} list{place} already: put all names into one"),
    )
}

pub(crate) fn unknown_node<'a>(
    name: &Ident,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Error {
    let text = name.to_string();
    let meant = or_nearest(&text, known, "there are");
    at(
        name.span(),
        format!("the schema has no node `{text}`{meant}"),
    )
}

pub(crate) fn listed_twice(name: &Ident, keyword: &str) -> Error {
    at(
        name.span(),
        format!("`{name}` stands twice in this `{keyword}`: drop one"),
    )
}

pub(crate) fn reverse_without_connect(name: &Ident, node: &Ident) -> Error {
    at(
        name.span(),
        format!(
            "`{node}` does not connect to `{name}`, so there is no link over which `{name}` could call it back: list `{name}` under `connect` of `{node}`, or drop it here"
        ),
    )
}

pub(crate) fn not_allowed_back(name: &Ident, from: &Ident, allow: Span) -> Error {
    let place = place(allow, name.span());
    at(
        name.span(),
        format!(
            "`{from}` connects to `{name}`, but `{name}`{place} does not allow `{from}`: add `{from}` to `allow` of `{name}`, or drop `{name}` here"
        ),
    )
}
