//! The documentation of what is generated: the author's own words first, then what the schema knows, in sentences
//! as one would write them by hand. Methods are in `docs_of_methods`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Ident, ext::IdentExt};

use super::docs_of_methods;
use crate::{
    errors::list,
    model::{Command, Docs, NodeType, Peers, Schema},
    names,
};

/// The marker of the mesh.
pub(super) fn mesh(schema: &Schema) -> TokenStream {
    let nodes: Vec<String> = schema
        .nodes
        .iter()
        .map(|node| match &node.elsewhere {
            Some(path) => format!(
                "[`{}`]({})",
                node.name.unraw(),
                names::text(path.to_token_stream())
            ),
            None => link(&node.name),
        })
        .collect();
    let mut text = match &nodes[..] {
        [] => "A mesh without node types.".to_string(),
        [node] => format!("A mesh of the node type {node}."),
        nodes => format!("A mesh of the node types {}.", list(nodes)),
    };
    if let Some(name) = &schema.name {
        let name = name.unraw();
        text += &format!(
            " [`{name}::master`] builds its master; [`{name}::SCHEMA`] tells what each node type offers and to whom."
        );
    }
    document(&schema.docs, &text)
}

/// `SCHEMA`.
pub(super) fn schema(mesh: &Ident) -> TokenStream {
    let name = mesh.unraw();
    let text = format!(
        "The whole schema, as constant data.\n\n`{name}::SCHEMA.to_mermaid()` and `{name}::SCHEMA.to_dot()` draw it. \
         `{name}::SCHEMA.lint()` finds what is of no use in it; a test for that is one line:\n\n\
         ```text\nassert_eq!({name}::SCHEMA.lint(), []);\n```"
    );
    quote!(#[doc = #text])
}

/// `master()`.
pub(super) fn master(mesh: &Ident) -> TokenStream {
    let name = mesh.unraw();
    let text = format!(
        "Builds a master: nodes register with it, and learn from it whom to link to.\n\n\
         ```text\nlet master = {name}::master().keys(&keys).bind(\"0.0.0.0:7000\").start().await?;\n```\n\n\
         Settings that are not given are taken from the environment."
    );
    quote!(#[doc = #text])
}

/// The marker of a node type.
pub(super) fn node(schema: &Schema, node: &NodeType) -> TokenStream {
    let name = node.name.unraw();
    let mut text = match &schema.name {
        Some(mesh) => format!("A node type of {}.", link(mesh)),
        None => "A node type.".to_string(),
    };
    if node.commands.is_empty() {
        text += &format!(" It offers no commands; [`{name}::node`] builds a node.");
    } else {
        text += &format!(
            " [`{name}::node`] builds a node from a [`{}`]; those who may call it do so by a [`{}`].",
            names::handler(&node.name),
            names::client(&node.name)
        );
    }
    text += "\n\n";
    text += &links(schema, node);
    document(&node.docs, &text)
}

/// Who may call the node type, and whom it may call.
fn links(schema: &Schema, node: &NodeType) -> String {
    if !schema.is_whole() {
        return lists(node);
    }
    let of = |nodes: Vec<&NodeType>| -> Vec<String> {
        nodes.iter().map(|node| link(&node.name)).collect()
    };
    let callers = match node.commands.is_empty() {
        true => Vec::new(),
        false => of(schema.callers(node, None)),
    };
    let called = |peer: &&NodeType| !peer.commands.is_empty() && schema.may_call(node, peer);
    let called = of(schema.nodes.iter().filter(called).collect());
    let mut lines = Vec::new();
    if !callers.is_empty() {
        lines.push(format!("- Called by {}.", list(&callers)));
    } else if !node.commands.is_empty() {
        lines.push("- Called by nobody: it has no link.".to_string());
    }
    if !called.is_empty() {
        lines.push(format!("- Calls {}.", list(&called)));
    }
    lines.join("\n")
}

/// The lists as written, for when the other node types are not known and may not be in scope.
fn lists(node: &NodeType) -> String {
    let line = |peers: &Peers, any: &str, named: &str| match peers {
        Peers::Any(_) => Some(format!("- {any}")),
        Peers::Named(names) if names.is_empty() => None,
        Peers::Named(names) => Some(format!("- {named} {}.", list(&plain(names)))),
    };
    let lines = [
        line(
            &node.allow,
            "Linked to by any node type that connects to it.",
            "Linked to by",
        ),
        line(
            &node.connect,
            "Links to any node type that allows it.",
            "Links to",
        ),
    ];
    let mut lines: Vec<String> = lines.into_iter().flatten().collect();
    if !lines.is_empty() {
        lines.push(match &node.reverse {
            None | Some(Peers::Any(_)) => {
                "- Over a link, either end may call the other.".to_string()
            }
            Some(Peers::Named(names)) if names.is_empty() => {
                "- Over a link that it dials, it is not called back.".to_string()
            }
            Some(Peers::Named(names)) => format!(
                "- Over a link that it dials, it is called back only by {}.",
                list(&plain(names))
            ),
        });
    }
    lines.join("\n")
}

/// Names of node types that need not be in scope.
pub(super) fn plain(names: &[Ident]) -> Vec<String> {
    let plain = |name: &Ident| format!("`{}`", name.unraw());
    names.iter().map(plain).collect()
}

/// `node(..)`.
pub(super) fn builder(node: &NodeType) -> TokenStream {
    let name = node.name.unraw();
    let (what, value) = match node.commands.is_empty() {
        true => (
            format!(
                "Builds a node of type `{name}`. It offers no commands, and so needs no handler."
            ),
            "",
        ),
        false => (
            format!("Builds a node of type `{name}`, whose commands `handler` answers."),
            "handler",
        ),
    };
    let text = format!(
        "{what}\n\n```text\nlet node = {name}::node({value}).keys(&keys).master(\"127.0.0.1:7000\").start().await?;\n\
         ```\n\nSettings that are not given are taken from the environment."
    );
    quote!(#[doc = #text])
}

/// The trait.
pub(super) fn handler(node: &NodeType) -> TokenStream {
    let name = node.name.unraw();
    let mut text = format!(
        "What a node of type [`{name}`] does when it is called. An implementation goes to [`{name}::node`].\n\n\
         Write the methods as `async fn`:\n\n"
    );
    text += &docs_of_methods::implementation(node);
    text += "\n\nA method gets a context first: it tells who calls and how much time is left, and calls on to other \
             nodes. Methods run at the same time, on one `&self`. A panic fails its call, and the node goes on.";
    quote!(#[doc = #text])
}

/// The stub.
pub(super) fn client(node: &Ident) -> TokenStream {
    let name = node.unraw();
    let text = format!(
        "Calls nodes of type [`{name}`], on behalf of a node of type `Caller`.\n\n\
         ```text\nlet client = node.client::<{name}>();    // in a handler: cx.client::<{name}>()\n```\n\n\
         It is cheap to make and to clone. Each method gives a call, which can be adjusted and does nothing until it \
         is awaited."
    );
    quote!(#[doc = #text])
}

/// The queues.
pub(super) fn queues(node: &Ident) -> TokenStream {
    let name = node.unraw();
    let text = format!(
        "The queues of a node of type [`{name}`], one for each of its queued commands: from `node.queues()`."
    );
    quote!(#[doc = #text])
}

/// The queue of a command.
pub(super) fn queue(node: &NodeType, command: &Command) -> TokenStream {
    let text = format!(
        "The queue of [`{client}::{command}`]: how many jobs wait, its dead letters with their arguments, pausing and \
         resuming.",
        client = names::client(&node.name),
        command = command.name.unraw(),
    );
    quote!(#[doc = #text])
}

/// A link to a generated item.
pub(super) fn link(name: &Ident) -> String {
    format!("[`{}`]", name.unraw())
}

/// The author's docs, and a generated paragraph.
pub(super) fn document(docs: &Docs, text: &str) -> TokenStream {
    let own = &docs.attrs;
    let text = match own.is_empty() {
        true => text.to_string(),
        false => format!("\n{text}"),
    };
    quote!(#(#own)* #[doc = #text])
}
