//! Billing: charges customers, up to a limit for each order. Real money is not involved.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mesh_runtime::Context;
use serde::{Deserialize, Serialize};

use crate::{
    batch::{BatchId, Batches},
    orders::Order,
    schema::{Billing, BillingHandler},
};

/// The most that a customer may spend on one order, in cents, unless [`Ledger::with_limit`] says otherwise.
pub const DEFAULT_LIMIT_CENTS: u64 = 50_000;

/// An order has been charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The order.
    pub order: u64,
    /// What was charged, in cents.
    pub cents: u64,
    /// The instance that charged it.
    pub charged_by: String,
}

/// An order was not charged, and never will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Declined {
    /// The order costs more than the customer may spend.
    #[error("{cents} cents are over the limit of {limit_cents}")]
    OverLimit {
        /// What the order costs, in cents.
        cents: u64,
        /// What the customer may spend, in cents.
        limit_cents: u64,
    },
}

/// What one instance has done for a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingTotals {
    /// How often it was asked to charge.
    pub served: u64,
    /// Orders charged.
    pub charged: u64,
    /// Orders declined.
    pub declined: u64,
    /// The sum of all charges, in cents.
    pub cents: u64,
}

/// The handler of [`Billing`].
#[derive(Debug)]
pub struct Ledger {
    limit_cents: u64,
    totals: Mutex<Batches<BillingTotals>>,
}

impl Ledger {
    /// A ledger that declines orders that cost more than `limit_cents`.
    pub fn with_limit(limit_cents: u64) -> Self {
        Self {
            limit_cents,
            totals: Mutex::default(),
        }
    }

    fn totals(&self) -> MutexGuard<'_, Batches<BillingTotals>> {
        // Only sums are kept behind the lock, and they are consistent after every step.
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn book(&self, batch: BatchId, order: &Order, instance: &str) -> Result<Receipt, Declined> {
        let mut batches = self.totals();
        let totals = batches.of(batch);
        totals.served += 1;
        if order.cents > self.limit_cents {
            totals.declined += 1;
            return Err(Declined::OverLimit {
                cents: order.cents,
                limit_cents: self.limit_cents,
            });
        }
        totals.charged += 1;
        totals.cents = totals.cents.saturating_add(order.cents);
        Ok(Receipt {
            order: order.id,
            cents: order.cents,
            charged_by: instance.to_owned(),
        })
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::with_limit(DEFAULT_LIMIT_CENTS)
    }
}

impl BillingHandler for Ledger {
    async fn charge(
        &self,
        cx: Context<Billing>,
        batch: BatchId,
        order: Order,
    ) -> Result<Receipt, Declined> {
        self.book(batch, &order, cx.instance().as_str())
    }

    async fn billing_totals(&self, _cx: Context<Billing>, batch: BatchId) -> BillingTotals {
        self.totals().get(batch).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: u64, cents: u64) -> Order {
        Order {
            id,
            customer: "ada".into(),
            item: "tea".into(),
            quantity: 1,
            cents,
        }
    }

    #[test]
    fn an_order_over_the_limit_is_declined_and_both_are_counted() {
        let ledger = Ledger::with_limit(1_000);
        let batch = BatchId::random();
        assert_eq!(
            ledger
                .book(batch, &order(1, 1_000), "b")
                .map(|receipt| receipt.cents),
            Ok(1_000)
        );
        assert_eq!(
            ledger.book(batch, &order(2, 1_001), "b"),
            Err(Declined::OverLimit {
                cents: 1_001,
                limit_cents: 1_000
            })
        );
        let expected = BillingTotals {
            served: 2,
            charged: 1,
            declined: 1,
            cents: 1_000,
        };
        assert_eq!(ledger.totals().get(batch), Some(&expected));
    }
}
