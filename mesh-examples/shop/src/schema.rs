//! The schema of the shop: the node types, which may connect to which, and the commands of each.
//!
//! Each `node` below becomes a marker ([`Stock`]), a trait for its handlers ([`StockHandler`]) and a stub for its
//! callers ([`StockClient`]). `cargo run -p mesh-shop --example schema` draws it.

use mesh_runtime::mesh_schema;

use crate::{
    audit::Entry,
    batch::BatchId,
    billing::{BillingTotals, Declined, Receipt},
    orders::Order,
    stock::{OutOfStock, Reservation, StockTotals},
};

mesh_schema! {
    /// An online shop.
    pub mesh Shop;

    /// The public edge: takes orders, calls the others, and offers nothing itself.
    node Gateway {
        connect: [Stock, Billing, Audit];
    }

    /// Keeps the goods. Each instance has its own shelves.
    node Stock {
        allow: [Gateway];

        /// Reserves the goods of one order, on the shelves of one instance.
        #[timeout = "5s"]
        balanced fn reserve(batch: BatchId, order: Order) -> Result<Reservation, OutOfStock>;

        /// Puts goods back. Only the instance that reserved them can do it.
        #[timeout = "5s"]
        balanced fn release(batch: BatchId, reservation: Reservation);

        /// Asks every instance what it has done for a batch.
        broadcast fn stock_totals(batch: BatchId) -> StockTotals;
    }

    /// Charges customers.
    node Billing {
        allow: [Gateway];

        /// Charges one order. Not idempotent: a caller that gets no reply must not simply repeat the call.
        #[timeout = "5s"]
        balanced fn charge(batch: BatchId, order: Order) -> Result<Receipt, Declined>;

        /// Asks every instance what it has done for a batch.
        broadcast fn billing_totals(batch: BatchId) -> BillingTotals;
    }

    /// Keeps the books.
    node Audit {
        allow: [Gateway];

        /// Writes an entry into the books of one instance, later. Writing the same entry twice has the same effect as
        /// once.
        #[timeout = "5s"]
        queued balanced fn record(batch: BatchId, entry: Entry);

        /// Returns once this instance has written at least `at_least` entries of a batch, with their number.
        #[idempotent]
        #[timeout = "30s"]
        balanced fn recorded(batch: BatchId, at_least: u64) -> u64;
    }
}
