//! The `mesh_schema!` macro; use it through `mesh-runtime`, which re-exports it.
//!
//! A schema goes through four steps, each a module of its own: `parse` reads what was written into `ast`,
//! `lower` reads what it means into `model` (the options of commands in `options`), `check` holds it against
//! the rules, `expand` writes Rust. No step stops at a mistake: all of them are in `errors` at the end, beside
//! an expansion of everything that was understood, so that one mistake is one error.

mod ast;
mod check;
mod errors;
mod expand;
mod lower;
mod model;
mod names;
mod options;
mod parse;
#[cfg(test)]
mod tests;

use proc_macro2::{Span, TokenStream};

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
///         /// One instance works the job off later, at least once.
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
/// schema   = [ "runtime" "=" path ";" ] mesh node*          in any order
/// mesh     = docs [ visibility ] "mesh" Name ";"
/// node     = docs "node" Name "{" ( list | command )* "}"
/// list     = ( "allow" | "connect" ) ":" peers ";"           each at most once, `[]` if left out
/// peers    = "any" | "[" [ Name ( "," Name )* [ "," ] ] "]"
/// command  = docs option* delivery "fn" name "(" arguments ")" [ "->" Type ] ";"
/// delivery = "balanced" | "broadcast" | "queued" "balanced" | "queued" "broadcast"
/// ```
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
/// Units of time are `ms`, `s`, `m` (minutes) and `h`. Doc comments and `#[deprecated]` are carried over to the
/// handler's trait and the stub. `#[cfg(..)]` on a command takes it out of everything; two commands of one name
/// may exclude each other that way. Nodes and meshes take doc comments only, as every process must know the
/// same ones.
///
/// # What it becomes
///
/// For `mesh Shop`:
///
/// - `struct Shop` with `Shop::SCHEMA`, the whole schema as constant data, and `Shop::master()`, which builds
///   a master.
///
/// For each `node Billing`:
///
/// - `struct Billing`, which stands for the node type: `node.client::<Billing>()`, `Context<Billing>`.
/// - `trait BillingHandler`, with a method for each command: `self`, a `Context<Billing>`, the arguments. They
///   are declared to return `impl Future<Output = T> + Send` and are written as `async fn`. A node without
///   commands has none.
/// - `Billing::node(handler)`, which builds a node; `Billing::node()` where there are no commands.
/// - `struct BillingClient<Caller>`, the stub, with a method for each command.
/// - `MayCall` for each pair that may call, the dispatch, and other hidden things.
///
/// Everything has the visibility that is written before `mesh`.
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
    pipeline(schema.into()).into()
}

fn pipeline(tokens: TokenStream) -> TokenStream {
    let (mut output, errors) = steps(tokens);
    output.extend(errors.into_tokens());
    output
}

/// The steps, and the mistakes that they found.
fn steps(tokens: TokenStream) -> (TokenStream, errors::Errors) {
    let mut errors = errors::Errors::default();
    let first = tokens.clone().into_iter().next();
    let start = first.map_or_else(Span::call_site, |first| first.span());
    let fresh = names::Fresh::new(tokens.clone());
    let written = parse::parse(tokens, &mut errors);
    let mut schema = lower::lower(written, &mut errors);
    check::check(&mut schema, start, &mut errors);
    (expand::expand(&schema, &fresh), errors)
}
