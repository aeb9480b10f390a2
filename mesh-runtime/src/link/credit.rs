//! The receiving side's flow-control state of one link: what the other side has outstanding here, and what is to be
//! returned to it as credit. It is pure state without a lock: the transport adds, and the consumer subtracts.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::inbox::Overrun;

/// The credit that is returned to the other side in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Credit {
    pub(crate) tells: usize,
    pub(crate) bytes: usize,
}

/// What the other side has outstanding, and the credit that it is owed.
pub(crate) struct ReceiveCredit {
    tells: Account,
    bytes: Account,
}

impl ReceiveCredit {
    /// Grants the other side this much at once.
    pub(crate) fn new(tell_limit: usize, byte_limit: usize) -> Self {
        Self {
            tells: Account::new(tell_limit),
            bytes: Account::new(byte_limit),
        }
    }

    /// The other side limits itself to these values, which may be smaller than what it was granted. Credit must be
    /// returned before the other side runs out of it.
    pub(crate) fn keep_pace_with(&self, tell_limit: usize, byte_limit: usize) {
        self.tells.due.fetch_min(due(tell_limit), Ordering::AcqRel);
        self.bytes.due.fetch_min(due(byte_limit), Ordering::AcqRel);
    }

    /// Counts a received payload of this many bytes. Only the transport calls this, and nothing else adds to the
    /// counter.
    pub(crate) fn accept_bytes(&self, bytes: usize) -> Result<(), Overrun> {
        self.bytes.accept(bytes).ok_or(Overrun::Bytes)
    }

    /// Counts a received tell. Only the transport calls this, and nothing else adds to the counter.
    pub(crate) fn accept_tell(&self) -> Result<(), Overrun> {
        self.tells.accept(1).ok_or(Overrun::Calls)
    }

    /// Counts payload bytes that were handed on. Returns the credit to be returned to the other side now, if any.
    pub(crate) fn consumed(&self, bytes: usize) -> Option<Credit> {
        self.bytes.settle(bytes).then(|| self.take()).flatten()
    }

    /// Counts a tell that was processed. Returns the credit to be returned to the other side now, if any.
    pub(crate) fn tell_done(&self) -> Option<Credit> {
        self.tells.settle(1).then(|| self.take()).flatten()
    }

    /// Takes all credit that is owed. `None` if another task has just taken it.
    fn take(&self) -> Option<Credit> {
        let credit = Credit {
            tells: self.tells.owed.swap(0, Ordering::AcqRel),
            bytes: self.bytes.owed.swap(0, Ordering::AcqRel),
        };
        (credit.tells > 0 || credit.bytes > 0).then_some(credit)
    }
}

/// The flow-control state of one granted resource: tells or bytes.
struct Account {
    limit: usize,
    outstanding: AtomicUsize,
    owed: AtomicUsize,
    /// How much credit accumulates before it is returned, so that credit frames stay rare.
    due: AtomicUsize,
}

impl Account {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            outstanding: AtomicUsize::new(0),
            owed: AtomicUsize::new(0),
            due: AtomicUsize::new(due(limit)),
        }
    }

    /// Counts a received amount. `None` if that is more than was granted.
    fn accept(&self, amount: usize) -> Option<()> {
        let outstanding = self.outstanding.load(Ordering::Acquire);
        if amount > self.limit.saturating_sub(outstanding) {
            return None;
        }
        self.outstanding.fetch_add(amount, Ordering::AcqRel);
        Some(())
    }

    /// Counts a processed amount. Returns whether enough credit is owed now to be returned.
    fn settle(&self, amount: usize) -> bool {
        // The order matters: credit must no longer count as outstanding when it is returned to the other side.
        self.outstanding.fetch_sub(amount, Ordering::AcqRel);
        let owed = self.owed.fetch_add(amount, Ordering::AcqRel) + amount;
        owed >= self.due.load(Ordering::Acquire)
    }
}

/// An eighth of a limit.
fn due(limit: usize) -> usize {
    limit.div_ceil(8).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_was_granted_is_an_overrun() {
        let credit = ReceiveCredit::new(2, 10);
        assert_eq!(credit.accept_bytes(7), Ok(()));
        assert_eq!(credit.accept_bytes(4), Err(Overrun::Bytes));
        assert_eq!(credit.accept_bytes(3), Ok(()));
        assert_eq!(credit.accept_tell(), Ok(()));
        assert_eq!(credit.accept_tell(), Ok(()));
        assert_eq!(credit.accept_tell(), Err(Overrun::Calls));
    }

    #[test]
    fn credit_is_given_once_an_eighth_has_come_together() {
        let credit = ReceiveCredit::new(8, 80);
        credit.accept_bytes(30).unwrap();
        assert_eq!(credit.consumed(9), None);
        let given = Credit {
            tells: 0,
            bytes: 12,
        };
        assert_eq!(credit.consumed(3), Some(given));
        credit.accept_tell().unwrap();
        let given = Credit { tells: 1, bytes: 0 };
        assert_eq!(credit.tell_done(), Some(given));
        assert_eq!(credit.consumed(0), None);
    }

    #[test]
    fn what_is_given_back_may_be_used_again() {
        let credit = ReceiveCredit::new(1, 10);
        for _ in 0..3 {
            credit.accept_bytes(10).unwrap();
            credit.consumed(10).unwrap();
        }
    }

    #[test]
    fn a_side_with_a_smaller_budget_is_given_credit_before_it_runs_dry() {
        let credit = ReceiveCredit::new(16, 800);
        credit.keep_pace_with(16, 80);
        credit.accept_bytes(10).unwrap();
        let given = Credit {
            tells: 0,
            bytes: 10,
        };
        assert_eq!(credit.consumed(10), Some(given));
    }
}
