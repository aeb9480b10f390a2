//! The identifiers that the macro generates, and the texts of identifiers and types that it derives ids from.

use std::{collections::HashSet, hash::Hasher};

use fnv::FnvHasher;
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::format_ident;
use syn::{Ident, ext::IdentExt};

/// `BillingHandler`, the trait that a node type's handler implements.
pub(crate) fn handler(node: &Ident) -> Ident {
    format_ident!("{}Handler", node.unraw(), span = node.span())
}

/// `BillingClient`, the stub with which others call the node type.
pub(crate) fn client(node: &Ident) -> Ident {
    format_ident!("{}Client", node.unraw(), span = node.span())
}

/// `BillingQueues`, the queues of the node type's queued commands.
pub(crate) fn queues(node: &Ident) -> Ident {
    format_ident!("{}Queues", node.unraw(), span = node.span())
}

/// The hidden constant that describes a command.
pub(crate) fn spec(command: &Ident) -> Ident {
    format_ident!(
        "__spec_{}",
        command.unraw(),
        span = proc_macro2::Span::call_site()
    )
}

/// `Billing.charge`, which names a command in messages. Its id is the hash of it.
pub(crate) fn command_path(node: &Ident, command: &Ident) -> String {
    format!("{}.{}", node.unraw(), command.unraw())
}

/// The hash of the command's path, which identifies it on the wire.
pub(crate) fn command_id(node: &Ident, command: &Ident) -> u32 {
    fnv1a_32(&command_path(node, command))
}

/// Names for generic parameters that clash with no name in the schema.
pub(crate) struct Fresh {
    used: HashSet<String>,
}

impl Fresh {
    /// Remembers every identifier in the schema.
    pub(crate) fn new(schema: TokenStream) -> Self {
        let mut used = HashSet::new();
        collect(schema, &mut used);
        Self { used }
    }

    /// `wanted`, or the first of `wanted_`, `wanted__`, … that the schema does not use.
    pub(crate) fn name(&self, wanted: &str) -> Ident {
        let mut name = wanted.to_string();
        while self.used.contains(&name) {
            name.push('_');
        }
        format_ident!("{name}")
    }
}

fn collect(tokens: TokenStream, used: &mut HashSet<String>) {
    for tree in tokens {
        match tree {
            TokenTree::Ident(ident) => {
                used.insert(ident.unraw().to_string());
            }
            TokenTree::Group(group) => collect(group.stream(), used),
            _ => {}
        }
    }
}

/// The text of tokens as a person would write them. Fingerprints are made of it, because `TokenStream`'s own text
/// differs between compilers.
pub(crate) fn text(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(tokens, &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    let mut joined = false;
    for tree in tokens {
        match tree {
            TokenTree::Ident(ident) => {
                word(&ident.to_string(), text);
                joined = false;
            }
            TokenTree::Literal(literal) => {
                word(&literal.to_string(), text);
                joined = false;
            }
            TokenTree::Punct(punct) => {
                let alone = punct.spacing() == Spacing::Alone;
                match punct.as_char() {
                    ',' | ';' => {
                        text.push(punct.as_char());
                        text.push(' ');
                    }
                    sign @ ('+' | '=') if !joined && alone => {
                        text.push_str(&format!(" {sign} "));
                    }
                    sign => text.push(sign),
                }
                joined = !alone;
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.truncate(text.trim_end().len());
                text.push_str(close);
                joined = false;
            }
        }
    }
    text.truncate(text.trim_end().len());
}

/// Appends a word, with a space between it and a word before it.
fn word(word: &str, text: &mut String) {
    if text.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
        text.push(' ');
    }
    text.push_str(word);
}

/// FNV-1a, 32 bits: a command's id.
pub(crate) fn fnv1a_32(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// FNV-1a, 64 bits: a command's fingerprint.
pub(crate) fn fnv1a_64(text: &str) -> u64 {
    let mut hash = FnvHasher::default();
    hash.write(text.as_bytes());
    hash.finish()
}
