//! Names that clash.

use proc_macro2::Span;
use syn::{Error, Ident};

use super::{at, place};

pub(crate) fn duplicate_node(here: Span, name: &Ident, first: Span) -> Error {
    let place = place(first, here);
    at(
        here,
        format!("there is a node `{name}`{place} already: rename one, or merge the two"),
    )
}

pub(crate) fn duplicate_command(name: &Ident, node: &Ident, first: &Ident) -> Error {
    let place = place(first.span(), name.span());
    at(
        name.span(),
        format!(
            "`{node}` has a command `{name}`{place} already: rename one, or give each a `#[cfg(..)]` so that only one is there"
        ),
    )
}

pub(crate) fn duplicate_argument(name: &Ident, command: &Ident) -> Error {
    at(
        name.span(),
        format!("`{command}` has an argument `{name}` already: rename one"),
    )
}

pub(crate) fn node_named_like_mesh(name: &Ident, mesh: &Ident) -> Error {
    let place = place(mesh.span(), name.span());
    at(
        name.span(),
        format!("the mesh{place} is called `{mesh}` already: rename the node or the mesh"),
    )
}

pub(crate) fn generated_name(name: &Ident, what: &str, kind: &str, node: &Ident) -> Error {
    at(
        name.span(),
        format!(
            "`{name}` is also the name of the {kind} that the macro writes for node `{node}`: rename this {what}"
        ),
    )
}

pub(crate) fn reserved_name(name: &Ident) -> Error {
    let meaning = if name == "any" {
        "in a list it means every node type"
    } else {
        "handlers see it as the node type of callers that are no nodes"
    };
    at(
        name.span(),
        format!("`{name}` cannot be the name of a node: {meaning}"),
    )
}

pub(crate) fn reserved_id(name: &Ident, command: &str) -> Error {
    at(
        name.span(),
        format!(
            "`{command}` has a command id that is reserved for built-in commands, by chance: rename the command"
        ),
    )
}

pub(crate) fn id_collision(name: &Ident, command: &str, other: &str, other_span: Span) -> Error {
    let place = place(other_span, name.span());
    at(
        name.span(),
        format!(
            "`{command}` and `{other}`{place} have the same 32-bit command id by chance: rename one of the two commands"
        ),
    )
}
