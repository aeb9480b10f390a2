//! What the gateway does with one order: reserve the goods, charge the customer, record the charge in the books. Money
//! needs care: each charge is requested once. If it is unknown whether the charge was made, that is reported, not
//! guessed.

use mesh_runtime::{CallError, InstanceId, Node};

use crate::{
    audit::Entry,
    batch::BatchId,
    orders::Order,
    schema::{Audit, AuditClient, Billing, BillingClient, Gateway, Stock, StockClient},
    stock::Reservation,
};

/// Places the orders of one batch. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Checkout {
    batch: BatchId,
    stock: StockClient<Gateway>,
    billing: BillingClient<Gateway>,
    audit: AuditClient<Gateway>,
}

/// The outcome of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It was charged, and its entry is queued.
    Charged {
        /// What was charged, in cents.
        cents: u64,
        /// The Audit instance that has the entry.
        audited_by: InstanceId,
    },
    /// Billing declined it; its goods were put back.
    Declined,
    /// Its goods are out of stock; Billing was not called.
    OutOfStock,
}

/// A call for an order failed, and so the order failed.
#[derive(Debug, thiserror::Error)]
#[error("order {order}: {step}: {source}; {state}")]
pub struct CheckoutError {
    /// The order.
    pub order: u64,
    /// The step that failed.
    pub step: Step,
    /// In what state the order is left.
    pub state: State,
    /// Why the call failed.
    pub source: CallError,
}

/// A step of placing an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Step {
    /// Goods are reserved.
    #[error("setting the goods aside failed")]
    Reserve,
    /// The customer is charged.
    #[error("charging failed")]
    Charge,
    /// Goods are put back.
    #[error("putting the goods back failed")]
    Release,
    /// The charge goes into the books.
    #[error("queueing the audit entry failed")]
    Record,
}

/// In what state a failed order is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum State {
    /// Nothing was done, or what was done has been undone.
    #[error("nothing was charged")]
    NotCharged,
    /// The goods may still be reserved, though nothing needs them.
    #[error("nothing was charged, but its goods may still be set aside")]
    MaybeReserved,
    /// The customer may have been charged. The goods stay reserved until somebody has looked into it.
    #[error("it may have been charged, so it was not tried again: check by hand")]
    MaybeCharged,
    /// The customer was charged, but the entry may be missing from the books.
    #[error("it was charged, but its audit entry may be missing")]
    ChargedMaybeUnaudited,
}

impl Checkout {
    /// Places the orders of `batch` from this node.
    pub fn new(gateway: &Node<Gateway>, batch: BatchId) -> Self {
        Self {
            batch,
            stock: gateway.client::<Stock>(),
            billing: gateway.client::<Billing>(),
            audit: gateway.client::<Audit>(),
        }
    }

    /// Places one order: reserve, charge, record. Dropping the future leaves the order in an unknown state.
    ///
    /// # Errors
    /// If a call fails. An order that is declined or out of stock is not an error.
    pub async fn place(&self, order: Order) -> Result<Placed, CheckoutError> {
        let id = order.id;
        let failed = |step, state, source| CheckoutError {
            order: id,
            step,
            state,
            source,
        };
        let reserved = self
            .stock
            .reserve(self.batch, order.clone())
            .await
            .map_err(|error| {
                let state = match error.maybe_executed() {
                    true => State::MaybeReserved,
                    false => State::NotCharged,
                };
                failed(Step::Reserve, state, error)
            })?;
        let Ok(reservation) = reserved else {
            return Ok(Placed::OutOfStock);
        };

        // Only `maybe_executed() == false` is certain: then, and only then, the goods can be put back.
        let charged = match self.billing.charge(self.batch, order.clone()).await {
            Ok(charged) => charged,
            Err(error) if error.maybe_executed() => {
                return Err(failed(Step::Charge, State::MaybeCharged, error));
            }
            Err(error) => {
                self.release(reservation).await?;
                return Err(failed(Step::Charge, State::NotCharged, error));
            }
        };
        let Ok(receipt) = charged else {
            self.release(reservation).await?;
            return Ok(Placed::Declined);
        };

        let cents = receipt.cents;
        let entry = Entry {
            customer: order.customer,
            receipt,
        };
        let queued = self
            .audit
            .record(self.batch, entry)
            .await
            .map_err(|error| failed(Step::Record, State::ChargedMaybeUnaudited, error))?;
        Ok(Placed::Charged {
            cents,
            audited_by: queued.instance,
        })
    }

    async fn release(&self, reservation: Reservation) -> Result<(), CheckoutError> {
        let (order, holder) = (reservation.order, reservation.held_by.clone());
        let released = self.stock.release(self.batch, reservation).to(holder).await;
        released.map_err(|source| CheckoutError {
            order,
            step: Step::Release,
            state: State::MaybeReserved,
            source,
        })
    }
}
