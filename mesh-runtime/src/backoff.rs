//! How long to wait before trying again, with jitter, so that not all wait equally long. Pure except for
//! [`Backoff::wait`].

use std::time::Duration;

use tokio::time::Instant;

/// The shortest wait with full jitter is the first step divided by this, so that there is no busy loop.
const FLOOR: u32 = 10;

/// Waits that grow after each failure, with full jitter: for reconnecting, and for retrying a failed server.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// The step begins at `first` and doubles with each failure up to `max`.
    pub(crate) const fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            failures: 0,
        }
    }

    /// Called after a success: the next failure counts as the first.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let least = self.first / FLOOR;
        step(self.first, self.failures, self.max)
            .mul_f64(rand::random_range(0.0..=1.0))
            .max(least)
    }

    /// Waits after one more failure. Cancel safe.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.next()).await;
    }
}

/// The step after the `failures`th failure: `first`, doubled with each further one up to `max`.
pub(crate) fn step(first: Duration, failures: u32, max: Duration) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    first.saturating_mul(doubled).min(max)
}

/// A span varied at random by up to a quarter in either direction. For waits of a promised length, and for what is done
/// at regular intervals.
pub(crate) fn varied(span: Duration) -> Duration {
    span.mul_f64(rand::random_range(0.75..=1.25))
}

/// `now + after`, but at most 30 years after `now`, because an `Instant` cannot be arbitrarily late.
pub(crate) fn later(now: Instant, after: Duration) -> Instant {
    const MAX: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    now + after.min(MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(5);

    #[test]
    fn a_step_doubles_up_to_its_limit() {
        let steps: Vec<_> = [1, 2, 3, 6, 7, u32::MAX]
            .map(|failures| step(FIRST, failures, MAX).as_millis())
            .into();
        assert_eq!(steps, [100, 200, 400, 3200, 5000, 5000]);
        assert_eq!(step(Duration::MAX, u32::MAX, MAX), MAX);
    }

    #[test]
    fn full_jitter_stays_between_its_floor_and_its_step() {
        for _ in 0..200 {
            let mut backoff = Backoff::new(FIRST, MAX);
            for failures in 1..10 {
                let wait = backoff.next();
                assert!(wait >= FIRST / FLOOR, "{wait:?}");
                assert!(wait <= step(FIRST, failures, MAX), "{wait:?}");
            }
            backoff.reset();
            assert!(backoff.next() <= FIRST);
        }
    }

    #[test]
    fn a_varied_span_is_off_by_a_quarter_at_most() {
        for _ in 0..200 {
            let varied = varied(Duration::from_secs(4));
            assert!((3..=5).contains(&varied.as_secs()), "{varied:?}");
        }
    }
}
