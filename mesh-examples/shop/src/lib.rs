//! The shop: a small business on a mesh. A [`Gateway`] takes orders from a file, [`Stock`] reserves the goods,
//! [`Billing`] charges the customer, and [`Audit`] keeps the books.
//!
//! - [`schema`]: the mesh itself; read this first.
//! - [`orders`]: what an order is, and how a file of them is read.
//! - [`stock`], [`billing`], [`audit`]: what each node type does with its commands.
//! - [`checkout`]: what the gateway does with one order, from the reservation to the books.
//! - [`batch`]: distinguishes the orders of one file from those of another.
//!
//! The processes around all this are in `src/bin/shop`.

pub mod audit;
pub mod batch;
pub mod billing;
pub mod checkout;
pub mod orders;
pub mod schema;
pub mod stock;

pub use schema::{Audit, Billing, Gateway, Shop, Stock};
