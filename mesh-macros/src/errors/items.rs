//! The shape of a schema: its items, and what does not belong in it.

use proc_macro2::Span;
use syn::{Error, Ident, Path};

use super::{at, or_nearest, over, place};
use crate::ast::Grammar;

pub(crate) fn unknown_item(span: Span, found: &str) -> Error {
    let meant = or_nearest(found, ["mesh", "node", "runtime"], "a schema holds");
    at(span, format!("`{found}` starts no item of a schema{meant}"))
}

pub(crate) fn expected_item(span: Span, grammar: Grammar) -> Error {
    let message = match grammar {
        Grammar::Schema => "expected `mesh Name;`, `node Name { … }` or `node path::Name;`",
        Grammar::Nodes => "expected `node Name { … }`",
    };
    at(span, message)
}

pub(crate) fn command_outside_node(span: Span) -> Error {
    at(
        span,
        "a command stands inside the braces of its node: `node Name { … }`",
    )
}

pub(crate) fn rust_item(span: Span, keyword: &str) -> Error {
    let fix = match keyword {
        "use" => {
            "write this outside of the macro; a node that `mesh_node!` declares elsewhere is taken in with `node path::Name;`"
        }
        _ => "write this outside of the macro",
    };
    at(
        span,
        format!(
            "`{keyword}` does not belong in a schema: a schema holds `mesh` and `node` only, {fix}"
        ),
    )
}

pub(crate) fn mesh_beside_node(span: Span) -> Error {
    at(
        span,
        "`mesh_node!` declares nodes only: the mesh stands in one `mesh_schema!`, which takes them in with `node path::Name;`",
    )
}

pub(crate) fn no_nodes(span: Span) -> Error {
    at(
        span,
        "`mesh_node!` declares no node: write `pub node Name { … }`",
    )
}

pub(crate) fn path_beside_node(path: &Path) -> Error {
    over(
        path,
        "`mesh_node!` declares nodes: take one in that is declared elsewhere in the `mesh_schema!` of its mesh",
    )
}

pub(crate) fn path_with_body(path: &Path, name: &Ident) -> Error {
    over(
        path,
        format!(
            "a node that is declared here has a plain name, `node {name} {{ … }}`; one that is declared elsewhere has a path and no braces"
        ),
    )
}

pub(crate) fn attribute_on_node_elsewhere(span: Span) -> Error {
    at(
        span,
        "this node is declared elsewhere: its docs stand there, in its `mesh_node!`",
    )
}

pub(crate) fn missing_name(span: Span, what: &str) -> Error {
    at(
        span,
        format!(
            "expected the name of the {what} here, as in `{what} {}`",
            example_name(what)
        ),
    )
}

fn example_name(what: &str) -> &'static str {
    match what {
        "mesh" => "Shop;",
        _ => "Billing { … }",
    }
}

pub(crate) fn no_mesh(span: Span) -> Error {
    at(
        span,
        "the schema declares no mesh: begin it with `pub mesh Name;`",
    )
}

pub(crate) fn second_mesh(name: &Ident, first: &Ident) -> Error {
    let place = place(first.span(), name.span());
    at(
        name.span(),
        format!(
            "a schema declares one mesh, and this is `{first}`{place} already: put `{name}` into a `mesh_schema!` of its own"
        ),
    )
}

pub(crate) fn mesh_with_body(span: Span) -> Error {
    at(
        span,
        "a mesh has no braces: write `mesh Name;`, and its nodes beside it",
    )
}

pub(crate) fn node_without_body(name: &Ident, grammar: Grammar) -> Error {
    let elsewhere = match grammar {
        Grammar::Schema => {
            format!(
                ", and `node path::{name};` or `node self::{name};` one that `mesh_node!` declares"
            )
        }
        Grammar::Nodes => String::new(),
    };
    at(
        name.span(),
        format!(
            "expected braces after the node's name: `node {name} {{ }}` is a node without commands and links{elsewhere}"
        ),
    )
}

pub(crate) fn visibility_on_node(span: Span) -> Error {
    at(
        span,
        "a node has the visibility of its mesh: drop this, and write it before `mesh`",
    )
}

pub(crate) fn visibility_on_command(span: Span) -> Error {
    at(
        span,
        "a command has the visibility of its mesh: drop this; `#[allow(..)]` says who may call it",
    )
}

pub(crate) fn generics_on_node(span: Span) -> Error {
    at(
        span,
        "a node type has no generics: instances are told apart by their instance id",
    )
}

pub(crate) fn bad_runtime(error: Error) -> Error {
    at(
        error.span(),
        "expected the path of the runtime crate, as in `runtime = ::mesh_runtime;`",
    )
}

pub(crate) fn second_runtime(span: Span) -> Error {
    at(span, "`runtime` is given already: keep one of them")
}

pub(crate) fn missing_semicolon(span: Span, after: &str) -> Error {
    at(span, format!("expected `;` after {after}"))
}

pub(crate) fn stray(span: Span) -> Error {
    at(
        span,
        "unexpected here: expected `allow: …;`, `connect: …;` or a command such as `balanced fn name();`",
    )
}

pub(crate) fn dangling_attribute(span: Span) -> Error {
    at(
        span,
        "nothing follows that this doc comment or attribute could belong to",
    )
}

pub(crate) fn inner_attribute(span: Span) -> Error {
    at(
        span,
        "a schema has no inner attributes and no `//!` comments: write `///` or `#[..]` above the item",
    )
}

pub(crate) fn bad_attribute(span: Span) -> Error {
    at(span, "expected an attribute such as `#[timeout = \"2s\"]`")
}

pub(crate) fn attribute_on_peers(span: Span, keyword: &Ident) -> Error {
    at(
        span,
        format!(
            "`{keyword}` takes no attributes and no doc comments; a plain `//` comment will do"
        ),
    )
}
