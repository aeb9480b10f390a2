//! The first version of the shop.

use mesh_runtime::{Context, JobError, mesh_schema};
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    types::{Customer, Declined, Entry, Line, Payment, Receipt},
};

/// An order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) customer: Customer,
    pub(crate) lines: Vec<Line>,
    pub(crate) payment: Payment,
    pub(crate) note: Option<String>,
}

mesh_schema! {
    /// An online shop.
    pub(crate) mesh Shop;

    /// The public edge.
    node Gateway {
        connect: [Billing];
    }

    /// Charges customers.
    node Billing {
        allow: [Gateway];
        connect: [Audit];

        /// Charges one order.
        balanced fn charge(order: Order) -> Result<Receipt, Declined>;

        /// What has been charged, in cents.
        #[idempotent]
        balanced fn total() -> u64;

        /// Clears the caches of each instance.
        broadcast fn flush() -> u32;

        /// Tells something to each instance.
        broadcast fn note(text: String);
    }

    /// Keeps the books.
    node Audit {
        allow: [Billing];

        /// Writes an entry.
        queued balanced fn record(entry: Entry);

        /// Builds the index of each instance anew.
        queued broadcast fn reindex();
    }
}

impl BillingHandler for Desk {
    async fn charge(&self, cx: Context<Billing>, order: Order) -> Result<Receipt, Declined> {
        let receipt = Receipt {
            id: order.id,
            cents: order.lines.iter().map(|line| line.cents).sum(),
            by: cx.instance().to_string(),
            tenant: cx.meta("tenant").map(str::to_owned),
            note: order.note,
        };
        self.settle(&order.customer.name, receipt).await
    }

    async fn total(&self, _cx: Context<Billing>) -> u64 {
        self.settled()
    }

    async fn flush(&self, _cx: Context<Billing>) -> u32 {
        1
    }

    async fn note(&self, _cx: Context<Billing>, text: String) {
        self.hear(text);
    }
}

impl AuditHandler for Desk {
    async fn record(&self, _cx: Context<Audit>, entry: Entry) -> Result<(), JobError> {
        self.write(entry)
    }

    async fn reindex(&self, _cx: Context<Audit>) -> Result<(), JobError> {
        self.hear("reindexed");
        Ok(())
    }
}
