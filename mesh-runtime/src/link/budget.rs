//! How much this side may have outstanding on one link, as granted by the other side: calls, tells and payload bytes.
//! It knows nothing of frames.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

/// The sender's flow-control state of one link. It starts empty; the other side's `Confirm` fills it.
pub(crate) struct Budget {
    call_limit: AtomicUsize,
    byte_limit: AtomicUsize,
    calls: AtomicUsize,
    tells: Semaphore,
    bytes: Semaphore,
    /// The credit that the other side still has to return.
    owed_tells: AtomicUsize,
    owed_bytes: AtomicUsize,
}

/// Every call permit is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) limit: usize,
}

/// Why no permit was given.
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

    /// Adds what the other side grants. Called once, at the start.
    pub(crate) fn grant(&self, calls: usize, bytes: usize) {
        self.call_limit.store(calls, Ordering::Release);
        self.byte_limit.store(bytes, Ordering::Release);
        self.tells.add_permits(calls);
        self.bytes.add_permits(bytes);
    }

    /// Adds credit that the other side returns. Returns false if it returns more than it holds.
    pub(crate) fn credit(&self, tells: usize, bytes: usize) -> bool {
        let returned = take(&self.owed_tells, tells) && take(&self.owed_bytes, bytes);
        if returned {
            self.tells.add_permits(tells);
            self.bytes.add_permits(bytes);
        }
        returned
    }

    /// Takes a permit for one call. Never waits: if the link is full, it fails at once.
    pub(crate) fn call_permit(self: &Arc<Self>) -> Result<CallPermit, Full> {
        let limit = self.call_limit.load(Ordering::Acquire);
        if self.calls.fetch_add(1, Ordering::AcqRel) >= limit {
            self.calls.fetch_sub(1, Ordering::AcqRel);
            return Err(Full { limit });
        }
        Ok(CallPermit {
            budget: Arc::clone(self),
            released: AtomicBool::new(false),
        })
    }

    /// The number of calls that hold a permit now.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Takes a permit for one tell, and waits for one if necessary. Cancel safe.
    pub(crate) async fn tell_permit(self: &Arc<Self>) -> Result<SendPermit, NoRoom> {
        self.tells
            .acquire()
            .await
            .map_err(|_| NoRoom::Closed)?
            .forget();
        Ok(SendPermit {
            budget: Arc::clone(self),
            spent: false,
        })
    }

    /// Reserves `bytes` of payload if they are available.
    pub(crate) fn try_reserve(self: &Arc<Self>, bytes: usize) -> Option<Reserved> {
        self.bytes.try_acquire_many(permits(bytes)).ok()?.forget();
        Some(self.reserved(bytes))
    }

    /// Reserves `bytes` of payload, and waits for them if necessary. First come, first served. Cancel safe.
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

    /// The link is gone: fails everything that waits for room.
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

/// Subtracts `amount` from a counter, if the counter is at least that high.
fn take(account: &AtomicUsize, amount: usize) -> bool {
    account
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |there| {
            there.checked_sub(amount)
        })
        .is_ok()
}

/// The number of permits for a payload. Payloads are far smaller than what 32 bits can hold.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A permit for one call. It is returned on drop, or earlier by [`release`](Self::release).
pub(crate) struct CallPermit {
    budget: Arc<Budget>,
    released: AtomicBool,
}

impl CallPermit {
    /// Returns the permit. Only the first call has an effect.
    pub(crate) fn release(&self) {
        if !self.released.swap(true, Ordering::AcqRel) {
            self.budget.calls.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        self.release();
    }
}

/// A permit for one tell. It is returned on drop, unless it was spent.
pub(crate) struct SendPermit {
    budget: Arc<Budget>,
    spent: bool,
}

impl SendPermit {
    /// The tell is on its way: its permit comes back from the other side.
    pub(crate) fn spend(mut self) {
        self.spent = true;
        self.budget.owed_tells.fetch_add(1, Ordering::AcqRel);
    }
}

impl Drop for SendPermit {
    fn drop(&mut self) {
        if !self.spent {
            self.budget.tells.add_permits(1);
        }
    }
}

/// Reserved bytes for a payload. They are returned on drop, unless they were spent.
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
        assert_eq!(budget.call_permit().err(), Some(Full { limit: 0 }));
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
