//! The `mesh_schema!` and `mesh_node!` macros; use them through `mesh-runtime`, which re-exports it.
//!
//! A schema goes through four steps, each a module of its own: `parse` reads what was written into `ast`,
//! `lower` reads what it means into `model` (the options of commands in `options`), `check` holds it against
//! the rules, `expand` writes Rust. No step stops at a mistake: all of them are in `errors` at the end, beside
//! an expansion of everything that was understood, so that one mistake is one error.
//!
//! What concerns one node is checked and written where the node is declared, be it by `mesh_schema!` or, in
//! another file, by `mesh_node!`. What concerns them all, the *composition*, follows at once in a schema of one
//! piece; else when `__compose!` has been given a summary of each (`expand/carrier.rs`).

mod ast;
mod check;
mod delivery;
mod errors;
mod expand;
mod lower;
mod model;
mod names;
mod options;
mod parse;
#[cfg(test)]
mod tests;

use proc_macro2::{Span, TokenStream, TokenTree};

use self::{
    errors::Errors,
    model::{Grammar, NodeType, Schema},
    names::Fresh,
};

/// Declares a mesh: which node types there are, which may link to which, and what each can be asked.
///
/// The compiler then refuses what the schema refuses, and the runtime enforces the same schema on the wire.
///
/// ```
/// use mesh_runtime::{CallError, Context, JobError, Node, mesh_schema};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// pub struct Order { id: u64, cents: u64 }
///
/// #[derive(Serialize, Deserialize)]
/// pub struct Declined;
///
/// mesh_schema! {
///     /// An online shop.
///     pub mesh Shop;
///
///     /// The public edge: calls others, offers nothing.
///     node Gateway {
///         connect: [Billing];
///     }
///
///     /// Charges customers.
///     node Billing {
///         allow: [Gateway];
///
///         /// Charges one order, on one instance.
///         #[timeout = "2s"]
///         #[key = order.id]
///         balanced fn charge(order: Order) -> Result<u64, Declined>;
///
///         /// Asks every instance.
///         broadcast fn open_orders() -> u64;
///
///         /// One instance processes the job later, at least once.
///         #[attempts = 5]
///         queued balanced fn export(day: u32);
///     }
/// }
///
/// struct Ledger;
///
/// impl BillingHandler for Ledger {
///     async fn charge(&self, _cx: Context<Billing>, order: Order) -> Result<u64, Declined> {
///         if order.cents > 0 { Ok(order.cents) } else { Err(Declined) }
///     }
///     async fn open_orders(&self, _cx: Context<Billing>) -> u64 {
///         0
///     }
///     async fn export(&self, _cx: Context<Billing>, _day: u32) -> Result<(), JobError> {
///         Ok(())
///     }
/// }
///
/// async fn calls(gateway: Node<Gateway>) -> Result<(), CallError> {
///     let billing = gateway.client::<Billing>();
///     let charged = billing.charge(Order { id: 1, cents: 995 }).await?;
///     let open = billing.open_orders().await?;
///     let job = billing.export(17).await?;
///     Ok(())
/// }
/// ```
///
/// # Grammar
///
/// ```text
/// schema    = [ "runtime" "=" path ";" ] mesh ( node | elsewhere )*      in any order
/// mesh      = docs [ visibility ] "mesh" Name ";"
/// node      = docs "node" Name "{" ( list | command )* "}" [ ";" ]
/// elsewhere = "node" path "::" Name ";"                      see `mesh_node!`
/// list      = ( "allow" | "connect" ) ":" peers ";"           each at most once, `[]` if left out
/// peers     = "any" | "[" [ Name ( "," Name )* [ "," ] ] "]"
/// command   = attribute* delivery "fn" name "(" [ arguments ] ")" [ "->" Type ] ";"
/// delivery  = "balanced" | "broadcast" | "queued" "balanced" | "queued" "broadcast"    no "->" after "queued"
/// arguments = name ":" Type ( "," name ":" Type )* [ "," ]
/// attribute = docs | option | "#[deprecated …]" | "#[cfg(…)]"
/// option    = "#[" name "]" | "#[" name "=" value "]" | "#[allow(" Name ( "," Name )* ")]"    each at most once
/// docs      = doc comments
/// ```
///
/// Names may be raw identifiers. No node is called `any`, nor like the mesh, nor like something that is generated
/// (`BillingHandler`, `BillingClient`).
///
/// # Links
///
/// A link from `A` to `B` exists if `A` lists `B` under `connect` **and** `B` lists `A` under `allow`. `any`
/// stands for every node type that agrees. `A` dials, `B` accepts; over the link either may call the other.
/// A node type may list itself: its instances then link to each other.
///
/// # Deliveries
///
/// | written | goes to | the call gives | the handler returns |
/// | --- | --- | --- | --- |
/// | `balanced fn f(..) -> T` | one instance | `T` | `T` |
/// | `broadcast fn f(..) -> T` | all instances | `Gather<T>` | `T` |
/// | `broadcast fn f(..)` | all instances, nobody waits | `Sent` | `()` |
/// | `queued balanced fn f(..)` | one instance's queue | `Queued` | `Result<(), JobError>` |
/// | `queued broadcast fn f(..)` | every instance's queue | `Gather<Queued>` | `Result<(), JobError>` |
///
/// Arguments and answers are owned types with `Serialize + DeserializeOwned + Send + 'static`, at most 16
/// arguments. A command has no `self`, no generics and no references.
///
/// # Options of a command
///
/// | option | for | meaning |
/// | --- | --- | --- |
/// | `#[timeout = "2s"]` | all | the deadline of a call that gives none; for those without an answer, the time to hand over |
/// | `#[idempotent]` | `balanced` | may be tried again on another instance after it may have run |
/// | `#[key = order.id]` | `balanced`, `queued balanced` | calls with equal keys go to the same instance; an expression over the arguments |
/// | `#[concurrency = 8]` | all | handlers that run at once on each instance |
/// | `#[attempts = 5]` | queued | how often a job is tried before it is a dead letter |
/// | `#[backoff = "1s"]` | queued | the pause before the second attempt; it doubles with each further one |
/// | `#[orphans = "adopt"]` | `queued broadcast` | what becomes of the jobs of an instance that never returns: `"dead_letter"` (default) or `"adopt"` |
/// | `#[version = 2]` | all | raise it when the meaning changes but the written types do not |
/// | `#[allow(Billing)]` | all | only these node types may call the command, of those that have a link |
///
/// Times are whole numbers with a unit: `ms`, `s`, `m` (minutes) or `h`, up to a year. Counts are at least 1. Doc comments and `#[deprecated]` are carried over to the
/// handler's trait and the stub. `#[cfg(..)]` on a command takes it out of everything; two commands of one name
/// may exclude each other that way. Nodes and meshes take doc comments only, as every process must know the
/// same ones.
///
/// # What it becomes
///
/// For `mesh Shop`:
///
/// - `struct Shop` with `Shop::SCHEMA`, the whole schema as constant data, and `Shop::master()`, which builds
///   a master. The schema draws itself (`to_mermaid()`, `to_dot()`) and finds what is of no use in it (`lint()`).
///
/// For each `node Billing`:
///
/// - `struct Billing`, which stands for the node type: `node.client::<Billing>()`, `Context<Billing>`.
/// - `trait BillingHandler`, with a method for each command: `self`, a `Context<Billing>`, the arguments. They
///   are declared to return `impl Future<Output = T> + Send` and are written as `async fn`. A node without
///   commands has none.
/// - `Billing::node(handler)`, which builds a node; `Billing::node()` where there are no commands.
/// - `struct BillingClient<Caller>`, the stub, with a method for each command. A method of a command with
///   `#[allow(..)]` is there for the listed callers only.
/// - `MayCall` for each pair that may call, the dispatch, and other hidden things.
///
/// Everything has the visibility that is written before `mesh`. All of it is documented: `cargo doc` shows your own
/// words first, and then how a command is delivered, its deadline, who may call it, the call and its errors.
///
/// # Another name for the runtime
///
/// The output names `::mesh_runtime`. Where the crate goes by another name, or is re-exported, say so:
///
/// ```
/// # mod my_company { pub use mesh_runtime as mesh; }
/// my_company::mesh::mesh_schema! {
///     runtime = crate::my_company::mesh;
///
///     mesh Small;
/// }
/// # fn main() {}
/// ```
///
/// # Evolution
///
/// A command's id is the 32-bit FNV-1a hash of `Billing.charge`; its fingerprint is the 64-bit FNV-1a hash of
/// its declaration as written: delivery, names, types, `#[version]`. The macro sees how types are written, not
/// what is in them; so when a node starts, the shape of each type is traced through its `Deserialize` (kinds of
/// values, fields and variants with their names, in their order) and mixed in. Peers compare that number, command
/// by command: one that differs is `Incompatible`, or left to instances that mean the same by it, and the others
/// go on. Nothing needs to be done where the fields of `Order` change. Raise `#[version]` where its meaning changes
/// without them, and where a type validates what it reads so closely that no made-up value gets through.
#[proc_macro]
pub fn mesh_schema(schema: proc_macro::TokenStream) -> proc_macro::TokenStream {
    output(schema_steps(schema.into()))
}

/// Declares nodes of a mesh beside their types: for schemas that are too big for one file.
///
/// The grammar is that of [`mesh_schema!`], with nodes only, each with a visibility of its own. The `mesh_schema!`
/// of the mesh takes them in by path, wherever they are in the same crate:
///
/// ```
/// mod billing {
///     use serde::{Deserialize, Serialize};
///
///     #[derive(Serialize, Deserialize)]
///     pub struct Order { pub id: u64, pub cents: u64 }
///
///     mesh_runtime::mesh_node! {
///         /// Charges customers.
///         pub node Billing {
///             allow: [Gateway];
///
///             /// Charges one order, on one instance.
///             balanced fn charge(order: Order) -> bool;
///         }
///     }
/// }
///
/// mesh_runtime::mesh_schema! {
///     pub mesh Shop;
///
///     node billing::Billing;
///
///     node Gateway {
///         connect: [Billing];
///     }
/// }
///
/// async fn call(gateway: mesh_runtime::Node<Gateway>) -> Result<bool, mesh_runtime::CallError> {
///     let order = billing::Order { id: 1, cents: 995 };
///     gateway.client::<billing::Billing>().charge(order).await
/// }
/// # fn main() {}
/// ```
///
/// - Lists name node types by their plain names, as in a schema of one piece. Whether those names exist, and whether
///   both sides of a link agree, is said when the schema takes the node in, at the place of the mistake.
/// - What is generated for a node (`BillingHandler`, `BillingClient`, …) stands where its `mesh_node!` stands, with
///   the visibility that is written before `node`.
/// - A node is part of one mesh, and of a mesh of the same crate.
/// - The schema takes the nodes in one after another, each one level deeper: from about 120 on, the compiler
///   asks for a higher `#![recursion_limit]`.
#[proc_macro]
pub fn mesh_node(nodes: proc_macro::TokenStream) -> proc_macro::TokenStream {
    output(node_steps(nodes.into()))
}

/// Composes a mesh of which nodes are declared elsewhere. Called by the output of the other macros.
#[doc(hidden)]
#[proc_macro]
pub fn __compose(collected: proc_macro::TokenStream) -> proc_macro::TokenStream {
    output(compose_steps(collected.into()))
}

fn output((mut output, errors): Outcome) -> proc_macro::TokenStream {
    output.extend(errors.into_tokens());
    output.into()
}

/// The expansion, and the mistakes that were found.
type Outcome = (TokenStream, Errors);

fn schema_steps(tokens: TokenStream) -> Outcome {
    let mut errors = Errors::default();
    let (mut schema, fresh) = declared(tokens, Grammar::Schema, &mut errors);
    if schema.is_whole() {
        check::composition(&mut schema, &mut errors);
    }
    (expand::schema(&schema, &fresh), errors)
}

fn node_steps(tokens: TokenStream) -> Outcome {
    let mut errors = Errors::default();
    let (schema, fresh) = declared(tokens, Grammar::Nodes, &mut errors);
    (expand::nodes(&schema, &fresh), errors)
}

/// Reads what is declared in one place, and checks what can be checked there.
fn declared(tokens: TokenStream, grammar: Grammar, errors: &mut Errors) -> (Schema, Fresh) {
    let first = tokens.clone().into_iter().next();
    let start = first.map_or_else(Span::call_site, |first| first.span());
    let fresh = Fresh::new(tokens.clone());
    let written = parse::parse(tokens, grammar, errors);
    let mut schema = lower::lower(written, errors);
    check::declarations(&mut schema, start, errors);
    (schema, fresh)
}

/// The schema in braces, and the summaries of the nodes that it names by path, in their order.
fn compose_steps(tokens: TokenStream) -> Outcome {
    let mut errors = Errors::default();
    let fresh = Fresh::new(tokens.clone());
    let mut tokens = tokens.into_iter();
    let schema: TokenStream = match tokens.next() {
        Some(TokenTree::Group(schema)) => schema.stream(),
        _ => TokenStream::new(),
    };
    let written = parse::parse(schema, Grammar::Schema, &mut errors);
    let mut schema = lower::lower(written, &mut errors);
    let carried = parse::parse(tokens.collect(), Grammar::Nodes, &mut errors);
    let carried = lower::lower(carried, &mut errors).nodes;
    let elsewhere = schema
        .nodes
        .iter_mut()
        .filter(|node| node.elsewhere.is_some());
    for (node, carried) in elsewhere.zip(carried) {
        *node = NodeType {
            elsewhere: node.elsewhere.take(),
            ..carried
        };
    }
    check::composition(&mut schema, &mut errors);
    (expand::composed(&schema, &fresh), errors)
}
