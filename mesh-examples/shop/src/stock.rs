//! Stock: reserves the goods of an order, and puts them back if the order fails.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use mesh_runtime::{Context, InstanceId};
use serde::{Deserialize, Serialize};

use crate::{
    batch::{BatchId, Batches},
    orders::Order,
    schema::{Stock, StockHandler},
};

/// What the shop sells.
pub const CATALOGUE: [&str; 12] = [
    "apples", "bread", "cheese", "coffee", "flour", "honey", "jam", "olives", "pasta", "rice",
    "salt", "tea",
];

/// How many pieces of each item an instance starts with, unless [`Shelves::with_pieces`] says otherwise.
pub const DEFAULT_PIECES: u32 = 100_000;

/// Goods that have been reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The order.
    pub order: u64,
    /// The item.
    pub item: String,
    /// How many pieces.
    pub quantity: u32,
    /// The instance that has reserved them.
    pub held_by: InstanceId,
}

/// The goods of an order are not available.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum OutOfStock {
    /// The shop does not sell this item.
    #[error("the shop does not sell {item:?}")]
    NotSold {
        /// The requested item.
        item: String,
    },
    /// There are too few pieces.
    #[error("{wanted} pieces of {item} are wanted, {left} are left")]
    TooFew {
        /// The requested item.
        item: String,
        /// How many pieces were requested.
        wanted: u32,
        /// How many there are.
        left: u32,
    },
}

/// What one instance has done for a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockTotals {
    /// How often it was asked to reserve goods.
    pub served: u64,
    /// Reservations made.
    pub reserved: u64,
    /// Reservations put back.
    pub released: u64,
    /// Orders whose goods were not available.
    pub out_of_stock: u64,
}

/// The handler of [`Stock`].
#[derive(Debug)]
pub struct Shelves(Mutex<State>);

#[derive(Debug)]
struct State {
    pieces: HashMap<&'static str, u32>,
    totals: Batches<StockTotals>,
}

impl Shelves {
    /// Shelves that start with this many pieces of each item.
    pub fn with_pieces(pieces: u32) -> Self {
        Self(Mutex::new(State {
            pieces: CATALOGUE.iter().map(|item| (*item, pieces)).collect(),
            totals: Batches::default(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Only counters are kept behind the lock, and they are consistent after every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Shelves {
    fn default() -> Self {
        Self::with_pieces(DEFAULT_PIECES)
    }
}

impl State {
    fn take(&mut self, item: &str, wanted: u32) -> Result<(), OutOfStock> {
        let Some(left) = self.pieces.get_mut(item) else {
            return Err(OutOfStock::NotSold {
                item: item.to_owned(),
            });
        };
        match left.checked_sub(wanted) {
            Some(rest) => {
                *left = rest;
                Ok(())
            }
            None => Err(OutOfStock::TooFew {
                item: item.to_owned(),
                wanted,
                left: *left,
            }),
        }
    }

    fn put_back(&mut self, item: &str, quantity: u32) {
        if let Some(left) = self.pieces.get_mut(item) {
            *left = left.saturating_add(quantity);
        }
    }
}

impl StockHandler for Shelves {
    async fn reserve(
        &self,
        cx: Context<Stock>,
        batch: BatchId,
        order: Order,
    ) -> Result<Reservation, OutOfStock> {
        let mut state = self.state();
        let taken = state.take(&order.item, order.quantity);
        let totals = state.totals.of(batch);
        totals.served += 1;
        match &taken {
            Ok(()) => totals.reserved += 1,
            Err(_) => totals.out_of_stock += 1,
        }
        taken.map(|()| Reservation {
            order: order.id,
            item: order.item,
            quantity: order.quantity,
            held_by: cx.instance().clone(),
        })
    }

    async fn release(&self, _cx: Context<Stock>, batch: BatchId, reservation: Reservation) {
        let mut state = self.state();
        state.put_back(&reservation.item, reservation.quantity);
        state.totals.of(batch).released += 1;
    }

    async fn stock_totals(&self, _cx: Context<Stock>, batch: BatchId) -> StockTotals {
        self.state().totals.get(batch).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goods_are_set_aside_until_there_are_too_few() {
        let shelves = Shelves::with_pieces(5);
        let mut state = shelves.state();
        assert_eq!(state.take("tea", 3), Ok(()));
        let too_few = OutOfStock::TooFew {
            item: "tea".into(),
            wanted: 3,
            left: 2,
        };
        assert_eq!(state.take("tea", 3), Err(too_few));
        state.put_back("tea", 3);
        assert_eq!(state.take("tea", 5), Ok(()));
    }

    #[test]
    fn what_the_shop_does_not_sell_is_out_of_stock() {
        let shelves = Shelves::default();
        assert_eq!(
            shelves.state().take("whales", 1),
            Err(OutOfStock::NotSold {
                item: "whales".into()
            })
        );
    }
}
