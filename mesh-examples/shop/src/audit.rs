//! Audit: writes every charge into the books. A job runs at least once, so an entry that is already there is not
//! written again.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use mesh_runtime::{Context, JobError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    batch::{BatchId, Batches},
    billing::Receipt,
    orders::MAX_ORDERS,
    schema::{Audit, AuditHandler},
};

/// The entry for one charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The customer who was charged.
    pub customer: String,
    /// The charge.
    pub receipt: Receipt,
}

/// The handler of [`Audit`].
#[derive(Debug, Default)]
pub struct Books {
    batches: Mutex<Batches<Book>>,
}

/// The book of one batch.
#[derive(Debug, Default)]
struct Book {
    orders: HashSet<u64>,
    /// The number of entries, for tasks that wait for a certain number.
    written: watch::Sender<u64>,
}

impl Books {
    fn with<T>(&self, batch: BatchId, act: impl FnOnce(&mut Book) -> T) -> T {
        // A book is consistent after every step, so a poisoned lock can be used.
        act(self
            .batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .of(batch))
    }

    fn write(&self, batch: BatchId, entry: &Entry) -> Result<(), JobError> {
        self.with(batch, |book| {
            if book.orders.len() == MAX_ORDERS {
                return Err(JobError::discard(format!(
                    "the book of batch {batch} is full: it holds {MAX_ORDERS} entries"
                )));
            }
            if book.orders.insert(entry.receipt.order) {
                book.written.send_modify(|written| *written += 1);
            }
            Ok(())
        })
    }
}

impl AuditHandler for Books {
    async fn record(
        &self,
        cx: Context<Audit>,
        batch: BatchId,
        entry: Entry,
    ) -> Result<(), JobError> {
        self.write(batch, &entry)?;
        tracing::debug!(instance = %cx.instance(), order = entry.receipt.order, customer = entry.customer, "recorded");
        Ok(())
    }

    async fn recorded(&self, _cx: Context<Audit>, batch: BatchId, at_least: u64) -> u64 {
        let mut written = self.with(batch, |book| book.written.subscribe());
        // No timeout of its own: the call's deadline ends it. The book may be evicted meanwhile, if many newer ones are
        // added.
        match written.wait_for(|written| *written >= at_least).await {
            Ok(written) => *written,
            Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(order: u64) -> Entry {
        Entry {
            customer: "ada".into(),
            receipt: Receipt {
                order,
                cents: 100,
                charged_by: "billing-1".into(),
            },
        }
    }

    #[test]
    fn an_entry_that_comes_twice_is_written_once() {
        let books = Books::default();
        let batch = BatchId::random();
        for order in [1, 2, 1] {
            books
                .write(batch, &entry(order))
                .expect("the book has room");
        }
        assert_eq!(books.with(batch, |book| *book.written.borrow()), 2);
    }
}
