//! The documentation of what is generated: the author's own words first, then what the schema knows.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, ext::IdentExt};

use crate::{
    errors::list,
    model::{Callers, Command, Delivery, Docs, NodeType, Peers, Schema},
    names,
};

pub(super) fn mesh(schema: &Schema) -> TokenStream {
    let nodes: Vec<String> = schema
        .nodes
        .iter()
        .map(|node| format!("[`{}`]({})", node.name.unraw(), names::text(node.path())))
        .collect();
    let all = match nodes.is_empty() {
        true => "A mesh without node types.".to_string(),
        false => format!("A mesh of the node types {}.", list(&nodes)),
    };
    document(&schema.docs, &all)
}

pub(super) fn node(schema: &Schema, node: &NodeType) -> TokenStream {
    let name = node.name.unraw();
    let mut text = format!("The node type `{name}`.");
    if !node.commands.is_empty() {
        text += &format!(
            " Its handlers implement [`{}`], its callers use [`{}`].",
            names::handler(&node.name),
            names::client(&node.name)
        );
    }
    text += "\n\n";
    text += &access(schema, node, None);
    document(&node.docs, &text)
}

pub(super) fn handler(node: &NodeType) -> TokenStream {
    let name = node.name.unraw();
    let text = format!(
        "What a node of type [`{name}`] does when it is called. Write the methods as `async fn`, and give the \
         handler to [`{name}::node`]."
    );
    quote!(#[doc = #text])
}

pub(super) fn handler_method(schema: &Schema, node: &NodeType, command: &Command) -> TokenStream {
    let what = match command.delivery {
        Delivery::Balanced => "**Balanced**: called on one instance, always answered.",
        Delivery::Gather => {
            "**Broadcast**: called on every instance, and all answers are gathered."
        }
        Delivery::Broadcast => "**Broadcast**: called on every instance, and nobody waits for it.",
        Delivery::QueuedBalanced => {
            "**Queued, balanced**: a job that one instance works off, at least once. An error has it tried again."
        }
        Delivery::QueuedBroadcast => {
            "**Queued, broadcast**: a job in every instance's own queue, worked off at least once. An error has it tried again."
        }
    };
    let text = format!(
        "{what}{}\n\n{}",
        options(command),
        access(schema, node, Some(command))
    );
    document(&command.docs, &text)
}

pub(super) fn client(node: &Ident) -> TokenStream {
    let name = node.unraw();
    let text = format!(
        "Calls nodes of type [`{name}`], on behalf of a node of type `Caller`. Found as `client::<{name}>()` at a \
         node and at a handler's context."
    );
    quote!(#[doc = #text])
}

pub(super) fn client_method(schema: &Schema, node: &NodeType, command: &Command) -> TokenStream {
    let what = match command.delivery {
        Delivery::Balanced => "**Balanced**: one instance is called, and answers.",
        Delivery::Gather => {
            "**Broadcast**: every instance is called, and all answers are gathered."
        }
        Delivery::Broadcast => "**Broadcast**: every instance is told, and none is waited for.",
        Delivery::QueuedBalanced => {
            "**Queued, balanced**: one instance works the job off later, at least once. The answer is the job's id."
        }
        Delivery::QueuedBroadcast => {
            "**Queued, broadcast**: every instance puts the job into its own queue. The answers are the jobs' ids."
        }
    };
    let args: Vec<String> = command
        .args
        .iter()
        .map(|arg| arg.name.to_string())
        .collect();
    let binding = match command.delivery {
        Delivery::Balanced => "answer",
        Delivery::Gather => "answers",
        Delivery::Broadcast => "sent",
        Delivery::QueuedBalanced => "job",
        Delivery::QueuedBroadcast => "jobs",
    };
    let text = format!(
        "{what}{}\n\n{}\n\n```text\nlet {binding} = node.client::<{}>().{}({}).await?;\n```",
        options(command),
        access(schema, node, Some(command)),
        node.name,
        command.name,
        args.join(", "),
    );
    document(&command.docs, &text)
}

/// What the command's options say, as sentences.
fn options(command: &Command) -> String {
    let options = &command.options;
    let mut text = String::new();
    if let Some(ms) = options.timeout_ms {
        let what = match command.delivery {
            Delivery::Balanced | Delivery::Gather => "an answer",
            Delivery::Broadcast => "handing it over",
            Delivery::QueuedBalanced | Delivery::QueuedBroadcast => "the queue to take it",
        };
        text += &format!(
            " The deadline for {what} is {} unless the call gives another.",
            duration(ms)
        );
    }
    if options.idempotent {
        text += " Idempotent: tried again on another instance if the first was lost.";
    }
    if let Some(n) = options.concurrency {
        text += &format!(" At most {n} at once on each instance.");
    }
    if let Some(n) = options.attempts {
        text += &format!(" Tried {n} times at most.");
    }
    if let Some(ms) = options.backoff_ms {
        text += &format!(
            " The first pause between attempts is {}, and each further one twice as long.",
            duration(ms)
        );
    }
    if let Some(key) = &options.key {
        let key = names::text(quote!(#key));
        text += &format!(" Calls with an equal `{key}` go to the same instance.");
    }
    if options.adopt_orphans {
        text += " The jobs of an instance that never returns are adopted by another.";
    }
    if let Some(version) = options.version {
        text += &format!(" Version {version}.");
    }
    text
}

/// Who may call the node type, or one command of it.
fn access(schema: &Schema, node: &NodeType, command: Option<&Command>) -> String {
    if !schema.is_whole() {
        return declared_access(node, command);
    }
    let callers: Vec<String> = schema
        .callers(node, command)
        .iter()
        .map(|caller| link(&caller.name))
        .collect();
    match callers.is_empty() {
        true => "No node type may call it.".to_string(),
        false => format!("May be called by {}.", list(&callers)),
    }
}

/// The same where the other node types are not known, and may not be in scope.
fn declared_access(node: &NodeType, command: Option<&Command>) -> String {
    let names = |names: &[Ident]| -> Vec<String> {
        names
            .iter()
            .map(|name| format!("`{}`", name.unraw()))
            .collect()
    };
    if let Some(Callers::Named(callers)) =
        command.and_then(|command| command.options.allow.as_ref())
    {
        return format!("May be called by {}.", list(&names(callers)));
    }
    let peers = |peers: &Peers, what: &str| match peers {
        Peers::Any(_) => Some(format!("{what} any node type that agrees")),
        Peers::Named(nodes) if nodes.is_empty() => None,
        Peers::Named(nodes) => Some(format!("{what} {}", list(&names(nodes)))),
    };
    let sides: Vec<String> = [
        peers(&node.allow, "is allowed to be dialled by"),
        peers(&node.connect, "dials"),
    ]
    .into_iter()
    .flatten()
    .collect();
    match sides.is_empty() {
        true => "No node type may call it.".to_string(),
        false => format!(
            "`{}` {}; over a link, either end may call the other.",
            node.name.unraw(),
            list(&sides)
        ),
    }
}

fn link(name: &Ident) -> String {
    format!("[`{}`]", name.unraw())
}

/// `2s`, in the biggest unit that fits.
fn duration(ms: u64) -> String {
    for (unit, factor) in [("h", 3_600_000_u64), ("m", 60_000), ("s", 1_000)] {
        if ms.is_multiple_of(factor) {
            return format!("{}{unit}", ms / factor);
        }
    }
    format!("{ms}ms")
}

/// The author's docs, and a paragraph of ours.
fn document(docs: &Docs, text: &str) -> TokenStream {
    let own = &docs.attrs;
    let text = match own.is_empty() {
        true => text.to_string(),
        false => format!("\n{text}"),
    };
    quote!(#(#own)* #[doc = #text])
}
