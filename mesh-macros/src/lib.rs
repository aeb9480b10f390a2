//! The `mesh_schema!` and `mesh_node!` macros; use them through `mesh-runtime`, which re-exports them.
//!
//! A schema goes through four steps, each in a module of its own:
//!
//! - `parse` turns the tokens into a syntax tree (`ast`);
//! - `lower` turns the syntax tree into a semantic model (`model`; for the options of commands, it uses `options`);
//! - `check` checks the model against the rules;
//! - `expand` generates Rust.
//!
//! No step stops at a mistake. At the end all mistakes are in `errors`, and everything that was understood is expanded
//! as well, so that one mistake causes one error.
//!
//! What concerns one node is checked and generated where the node is declared: in `mesh_schema!`, or in a `mesh_node!`
//! in another file. What concerns all nodes is the *composition*. If the schema declares all of its nodes, the
//! composition follows at once. Otherwise it follows when `__compose!` gets a summary of each node
//! (`expand/carrier.rs`).

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

/// Declares a mesh: its node types, which of them may link to which, and the commands that each offers.
///
/// The compiler then rejects what the schema does not allow, and the runtime enforces the same schema on the wire.
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
/// list      = ( "allow" | "connect" | "reverse" ) ":" peers ";"    each at most once; `allow` and `connect` are `[]` if left out
/// peers     = "any" | "none" (after "reverse") | "[" [ Name ( "," Name )* [ "," ] ] "]"
/// command   = attribute* delivery "fn" name "(" [ arguments ] ")" [ "->" Type ] ";"
/// delivery  = "balanced" | "broadcast" | "queued" "balanced" | "queued" "broadcast"    no "->" after "queued"
/// arguments = name ":" Type ( "," name ":" Type )* [ "," ]
/// attribute = docs | option | "#[deprecated …]" | "#[cfg(…)]"
/// option    = "#[" name "]" | "#[" name "=" value "]" | "#[allow(" Name ( "," Name )* ")]"    each at most once
/// docs      = doc comments
/// ```
///
/// Names may be raw identifiers. A node cannot be called `any`, and cannot have the name of the mesh or of a generated
/// item (`BillingHandler`, `BillingClient`).
///
/// # Links
///
/// A link from `A` to `B` exists if `A` lists `B` under `connect` **and** `B` lists `A` under `allow`. `any`
/// stands for every node type whose own list agrees. `A` dials, `B` accepts; over the link either may call the other.
/// So `B` may call `A` although `allow` of `A` does not list it. `reverse` in `A` narrows that: `reverse: none;` closes the
/// way back, and `reverse: [B];` opens it for those it lists, which `A` must dial. The compiler refuses what it closes, and so
/// does the node on the wire. A node type may list itself: its instances then link to each other.
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
/// arguments. A command has no `self`, no generics and no references. The arguments of a call together, and an answer,
/// have at most 32 MiB when they are encoded, with at most 128 options, enums, lists and maps inside one another, and at
/// most 65,536 elements of lists and maps that take no bytes, such as `()`. For many bytes use `bytes::Bytes` (with its
/// feature `serde`) or `Vec<u8>`, which travel as one block.
///
/// # Options of a command
///
/// | option | for | meaning |
/// | --- | --- | --- |
/// | `#[timeout = "2s"]` | all | the deadline of a call that sets none, 3 s unless given; for a command without an answer, the time limit for handing it over |
/// | `#[idempotent]` | `balanced` | a call that may already have run may be tried again on another instance |
/// | `#[key = order.id]` | `balanced`, `queued balanced` | calls with equal keys go to the same instance; an expression over the arguments. A job in Redis is accepted by that instance, and any instance may run it |
/// | `#[concurrency = 8]` | all | the maximum number of handlers that run at once on each instance; unless given, calls have no such limit, and jobs 16 |
/// | `#[attempts = 5]` | queued | how often a job is tried before it is a dead letter; 5 unless given |
/// | `#[backoff = "1s"]` | queued | the pause before the second attempt, 1 s unless given; it doubles with each further one |
/// | `#[orphans = "adopt"]` | `queued broadcast` | what becomes of the jobs of an instance that never returns: `"dead_letter"` (default) or `"adopt"` |
/// | `#[incompatible = "10m"]` | queued | how long a job that was queued under another declaration of the command waits for an instance that has it, before it is a dead letter; 10 minutes unless given |
/// | `#[version = 2]` | all | raise it when the meaning changes but the written types do not |
/// | `#[allow(Billing)]` | all | of the node types that have a link, only these may call the command |
///
/// Times are whole numbers with a unit: `ms`, `s`, `m` (minutes) or `h`, up to a year. Counts are at least 1.
///
/// Doc comments and `#[deprecated]` are carried over to the handler's trait and the stub. `#[cfg(..)]` on a command
/// applies to everything that is generated for it; two commands of one name may exclude each other that way. Nodes and
/// meshes take doc comments only, because every process must know the same nodes.
///
/// # What is generated
///
/// For `mesh Shop`:
///
/// - `struct Shop` with `Shop::SCHEMA`, the whole schema as constant data, and `Shop::master()`, which builds
///   a master. The schema can be drawn (`to_mermaid()`, `to_dot()`), and checked for what is legal but of no use
///   (`lint()`).
///
/// For each `node Billing`:
///
/// - `struct Billing`, which stands for the node type: `node.client::<Billing>()`, `Context<Billing>`.
/// - `trait BillingHandler`, with a method for each command. It takes `&self`, a `Context<Billing>` and the arguments.
///   The methods are declared to return `impl Future<Output = T> + Send`, and are written as `async fn`. A node
///   without commands has no such trait.
/// - `Billing::node(handler)`, which builds a node; `Billing::node()` where there are no commands.
/// - `struct BillingClient<Caller>`, the stub, with a method for each command. A method of a command with
///   `#[allow(..)]` is there for the listed callers only.
/// - Implementations of `MayCall` for each pair of node types that may call, the dispatch, and other hidden items.
///
/// Everything has the visibility that is written before `mesh`. All of it is documented: `cargo doc` shows your own
/// docs first, and then how a command is delivered, its deadline, who may call it, the call and its errors.
///
/// # Another name for the runtime
///
/// The generated code refers to `::mesh_runtime`. If the crate has another name, or is re-exported, give its path:
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
/// what is in them. So when a node starts, the shape of each type is traced through its `Deserialize` (kinds of
/// values, fields and variants with their names, in their order) and mixed into the fingerprint.
///
/// Peers compare the fingerprint of each command. If it differs on an instance, calls of the command go to instances
/// with the same fingerprint, or fail as `Incompatible` if there are none. All other commands keep working.
///
/// Nothing needs to be done when the fields of `Order` change. Raise `#[version]` when its meaning changes but its
/// fields do not, and for a type that validates its input so strictly that it rejects every sample value.
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
///   both sides of a link agree, is checked when the schema takes the node in. A mistake is reported where it was made.
/// - What is generated for a node (`BillingHandler`, `BillingClient`, …) is placed where its `mesh_node!` is, with
///   the visibility that is written before `node`.
/// - A node is part of exactly one mesh, which must be in the same crate.
/// - The schema takes the nodes in one after another, each one level of macro recursion deeper. From about 120 nodes
///   on, the compiler asks for a higher `#![recursion_limit]`.
#[proc_macro]
pub fn mesh_node(nodes: proc_macro::TokenStream) -> proc_macro::TokenStream {
    output(node_steps(nodes.into()))
}

/// Composes a mesh that has nodes declared elsewhere. Called by the output of the other macros.
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

/// Takes the schema in braces, followed by the summaries of the nodes that it names by path, in the same order.
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
