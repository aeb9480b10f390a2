//! What this side may have outstanding on one link, as the other side granted it: calls, tells and payload bytes.
//! Knows nothing of frames.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

/// The sender's account of one link. Starts empty; the other side's `Confirm` fills it.
pub(crate) struct Budget {
    call_limit: AtomicUsize,
    byte_limit: AtomicUsize,
    calls: AtomicUsize,
    tells: Semaphore,
    bytes: Semaphore,
    /// What the other side has to give back.
    owed_tells: AtomicUsize,
    owed_bytes: AtomicUsize,
}

/// Every call slot is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) limit: usize,
}

/// Why there is no room.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRoom {
    /// The link closed.
    #[error("the link closed")]
    Closed,
    /// The payload is larger than the whole budget.
    #[error("{bytes} bytes of payload are more than the link's whole budget of {limit}")]
    Never { bytes: usize, limit: usize },
}

impl Budget {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            call_limit: AtomicUsize::new(0),
            byte_limit: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            tells: Semaphore::new(0),
            bytes: Semaphore::new(0),
            owed_tells: AtomicUsize::new(0),
            owed_bytes: AtomicUsize::new(0),
        })
    }

    /// What the other side grants, once, at the start.
    pub(crate) fn grant(&self, calls: usize, bytes: usize) {
        self.call_limit.store(calls, Ordering::Release);
        self.byte_limit.store(bytes, Ordering::Release);
        self.tells.add_permits(calls);
        self.bytes.add_permits(bytes);
    }

    /// What the other side gives back. False if that is more than it has.
    pub(crate) fn credit(&self, tells: usize, bytes: usize) -> bool {
        let returned = take(&self.owed_tells, tells) && take(&self.owed_bytes, bytes);
        if returned {
            self.tells.add_permits(tells);
            self.bytes.add_permits(bytes);
        }
        returned
    }

    /// Takes a place for one call. Never waits: a link that is full is full.
    pub(crate) fn slot(self: &Arc<Self>) -> Result<Slot, Full> {
        let limit = self.call_limit.load(Ordering::Acquire);
        if self.calls.fetch_add(1, Ordering::AcqRel) >= limit {
            self.calls.fetch_sub(1, Ordering::AcqRel);
            return Err(Full { limit });
        }
        Ok(Slot {
            budget: Arc::clone(self),
            released: AtomicBool::new(false),
        })
    }

    /// Calls that hold a place now.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Takes a place for one tell, waiting for one if need be. Cancel safe.
    pub(crate) async fn tell_slot(self: &Arc<Self>) -> Result<TellSlot, NoRoom> {
        self.tells
            .acquire()
            .await
            .map_err(|_| NoRoom::Closed)?
            .forget();
        Ok(TellSlot {
            budget: Arc::clone(self),
            spent: false,
        })
    }

    /// Takes room for `bytes` of payload if there is any.
    pub(crate) fn try_reserve(self: &Arc<Self>, bytes: usize) -> Option<Reserved> {
        self.bytes.try_acquire_many(permits(bytes)).ok()?.forget();
        Some(self.reserved(bytes))
    }

    /// Takes room for `bytes` of payload, waiting for it if need be. First come, first served. Cancel safe.
    pub(crate) async fn reserve(self: &Arc<Self>, bytes: usize) -> Result<Reserved, NoRoom> {
        if let Some(reserved) = self.try_reserve(bytes) {
            return Ok(reserved);
        }
        let limit = self.byte_limit.load(Ordering::Acquire);
        if bytes > limit {
            return Err(NoRoom::Never { bytes, limit });
        }
        let room = self.bytes.acquire_many(permits(bytes)).await;
        room.map_err(|_| NoRoom::Closed)?.forget();
        Ok(self.reserved(bytes))
    }

    /// The link is gone: whoever waits for room is told.
    pub(crate) fn close(&self) {
        self.tells.close();
        self.bytes.close();
    }

    fn reserved(self: &Arc<Self>, bytes: usize) -> Reserved {
        Reserved {
            budget: Arc::clone(self),
            bytes: AtomicUsize::new(bytes),
        }
    }
}

/// Takes `amount` off an account, if that much is there.
fn take(account: &AtomicUsize, amount: usize) -> bool {
    account
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |there| {
            there.checked_sub(amount)
        })
        .is_ok()
}

/// Payloads are far smaller than what 32 bits hold.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A place for one call, given back on drop or before.
pub(crate) struct Slot {
    budget: Arc<Budget>,
    released: AtomicBool,
}

impl Slot {
    /// Gives the place back. Once, whoever is first.
    pub(crate) fn release(&self) {
        if !self.released.swap(true, Ordering::AcqRel) {
            self.budget.calls.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.release();
    }
}

/// A place for one tell, given back on drop unless it was spent.
pub(crate) struct TellSlot {
    budget: Arc<Budget>,
    spent: bool,
}

impl TellSlot {
    /// The tell is on its way: its place comes back from the other side.
    pub(crate) fn spend(mut self) {
        self.spent = true;
        self.budget.owed_tells.fetch_add(1, Ordering::AcqRel);
    }
}

impl Drop for TellSlot {
    fn drop(&mut self) {
        if !self.spent {
            self.budget.tells.add_permits(1);
        }
    }
}

/// Room for a payload, given back on drop unless it was spent.
pub(crate) struct Reserved {
    budget: Arc<Budget>,
    bytes: AtomicUsize,
}

impl Reserved {
    /// The payload is on its way: its bytes come back from the other side.
    pub(crate) fn spend(&self) {
        let bytes = self.bytes.swap(0, Ordering::AcqRel);
        self.budget.owed_bytes.fetch_add(bytes, Ordering::AcqRel);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.bytes.add_permits(*self.bytes.get_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_may_be_sent_before_the_other_side_grants_it() {
        let budget = Budget::new();
        assert_eq!(budget.slot().err(), Some(Full { limit: 0 }));
        assert!(budget.try_reserve(1).is_none());
    }

    #[test]
    fn what_is_not_spent_returns() {
        let budget = Budget::new();
        budget.grant(2, 10);
        drop(budget.try_reserve(10).unwrap());
        budget.try_reserve(10).unwrap().spend();
        assert!(budget.try_reserve(1).is_none());
        assert!(budget.credit(0, 10));
        assert!(budget.try_reserve(10).is_some());
    }

    #[test]
    fn more_credit_than_is_owed_is_seen() {
        let budget = Budget::new();
        budget.grant(1, 1);
        assert!(!budget.credit(0, 1));
        assert!(!budget.credit(1, 0));
    }

    #[tokio::test]
    async fn what_can_never_fit_is_told_at_once() {
        let budget = Budget::new();
        budget.grant(1, 10);
        let never = NoRoom::Never {
            bytes: 11,
            limit: 10,
        };
        assert_eq!(budget.reserve(11).await.err(), Some(never));
    }

    #[tokio::test]
    async fn whoever_waits_for_room_is_told_when_the_link_closes() {
        let budget = Budget::new();
        budget.grant(1, 2);
        let _taken = budget.try_reserve(1);
        let waiting = Arc::clone(&budget);
        let waiter = tokio::spawn(async move { waiting.reserve(2).await.err() });
        budget.close();
        assert_eq!(waiter.await.unwrap(), Some(NoRoom::Closed));
    }
}
