//! How many calls may be tried again although they may have run. Without a limit, the retries of all callers are the load
//! that keeps a sick instance sick. Pure.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How many calls of `#[idempotent]` commands a node tries again although they may have run, for each node type that it
/// calls.
///
/// Such an attempt spends from a reserve. `percent` of all calls to the node type go into it, and `per_second` more each
/// second. What is not spent is forgotten over about 10 s, so the reserve holds 10 s worth at most; it begins with
/// 10 s of `per_second`. If it is empty, the error of the attempts so far is returned. An attempt that directly follows
/// one that certainly did not run spends nothing. With two zeros, no call that may have run is tried again. Default: 20 and 10.
///
/// ```
/// # use mesh_runtime::{NodeBuilder, NodeType};
/// use mesh_runtime::RetryBudget;
///
/// # fn example<Gateway: NodeType>(builder: NodeBuilder<Gateway>) -> NodeBuilder<Gateway> {
/// builder.retry_budget(RetryBudget::new(5, 1))
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryBudget {
    /// Of 100 calls, how many may be tried again.
    pub percent: u32,
    /// How many may be tried again each second, however few calls there are.
    pub per_second: u32,
}

impl RetryBudget {
    /// A budget of that many percent of all calls, and that many more each second.
    pub const fn new(percent: u32, per_second: u32) -> Self {
        Self {
            percent,
            per_second,
        }
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(20, 10)
    }
}

/// After this time, about two thirds of what was not spent are forgotten.
const MEMORY: Duration = Duration::from_secs(10);

/// What is left of a [`RetryBudget`].
pub(crate) struct RetryReserve {
    budget: RetryBudget,
    /// All calls.
    calls: AtomicU64,
    reserve: Mutex<Reserve>,
}

struct Reserve {
    retries: f64,
    /// When it was last looked at, and how many calls there had been then.
    at: Instant,
    calls: u64,
}

impl RetryReserve {
    pub(crate) fn new(budget: RetryBudget, now: Instant) -> Self {
        Self {
            budget,
            calls: AtomicU64::new(0),
            reserve: Mutex::new(Reserve {
                retries: f64::from(budget.per_second) * MEMORY.as_secs_f64(),
                at: now,
                calls: 0,
            }),
        }
    }

    /// A call has begun.
    pub(crate) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one retry out of the reserve. Returns false if there is none.
    pub(crate) fn try_spend(&self, now: Instant) -> bool {
        let mut reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        reserve.refill(self.budget, self.calls.load(Ordering::Relaxed), now);
        let enough = reserve.retries >= 1.0;
        if enough {
            reserve.retries -= 1.0;
        }
        enough
    }
}

impl Reserve {
    /// What has come in since the last time came in evenly, as far as is known, and was forgotten at the same rate.
    fn refill(&mut self, budget: RetryBudget, calls: u64, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        // Calls are counted without the lock, so an earlier count may come later.
        let made = calls.saturating_sub(self.calls) as f64;
        let deposited =
            made * f64::from(budget.percent) / 100.0 + passed * f64::from(budget.per_second);
        let memory = MEMORY.as_secs_f64();
        let kept = (-passed / memory).exp();
        let kept_of_new = if passed > 0.0 {
            (1.0 - kept) * memory / passed
        } else {
            1.0
        };
        self.retries = self.retries * kept + deposited * kept_of_new;
        self.at = self.at.max(now);
        self.calls = self.calls.max(calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(reserve: &RetryReserve, now: Instant, at_most: usize) -> usize {
        (0..at_most).take_while(|_| reserve.try_spend(now)).count()
    }

    fn count_calls(reserve: &RetryReserve, calls: usize) {
        for _ in 0..calls {
            reserve.count_call();
        }
    }

    #[test]
    fn in_the_long_run_a_fifth_of_the_calls_and_ten_a_second_are_tried_again() {
        let start = Instant::now();
        let reserve = RetryReserve::new(RetryBudget::default(), start);
        spent(&reserve, start, usize::MAX);
        let mut retries = 0;
        for second in 1..=60 {
            count_calls(&reserve, 1000);
            retries += spent(&reserve, start + Duration::from_secs(second), 1000);
        }
        // What one second brings is forgotten in part before it is over.
        assert!(
            (60 * 190..=60 * 210).contains(&retries),
            "{retries} retries of 60,000 calls in 60 s"
        );
    }

    #[test]
    fn what_was_not_spent_for_an_hour_is_worth_ten_seconds() {
        let start = Instant::now();
        let reserve = RetryReserve::new(RetryBudget::new(50, 0), start);
        count_calls(&reserve, 3600 * 10);
        let retries = spent(&reserve, start + Duration::from_secs(3600), usize::MAX);
        // 10 calls a second, of which 5 may be tried again.
        assert!((45..=50).contains(&retries), "{retries}");
    }

    #[test]
    fn it_begins_with_ten_seconds_worth_and_ends_at_nothing() {
        let now = Instant::now();
        let reserve = RetryReserve::new(RetryBudget::default(), now);
        assert_eq!(spent(&reserve, now, usize::MAX), 100);
        count_calls(&reserve, 10);
        assert_eq!(spent(&reserve, now, usize::MAX), 2);
    }

    #[test]
    fn with_two_zeros_nothing_is_tried_again() {
        let now = Instant::now();
        let reserve = RetryReserve::new(RetryBudget::new(0, 0), now);
        count_calls(&reserve, 1000);
        assert!(!reserve.try_spend(now + Duration::from_secs(10)));
    }
}
