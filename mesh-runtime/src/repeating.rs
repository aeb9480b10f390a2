//! Log lines about what is tried again and again: the same line is said at growing intervals, not each time.

use std::time::Duration;

use tokio::time::Instant;

/// How long the same line is not said again, at first. Doubled each time, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// When a line may be said again.
pub(crate) struct Repeating {
    said: Option<Said>,
}

struct Said {
    line: String,
    wait: Duration,
    until: Instant,
}

impl Repeating {
    pub(crate) const fn new() -> Self {
        Self { said: None }
    }

    /// Whether to say this line now: if it is another one than the last, or if that was said long enough ago.
    pub(crate) fn is_due(&mut self, line: &str, now: Instant) -> bool {
        let wait = match &self.said {
            Some(said) if said.line == line && now < said.until => return false,
            Some(said) if said.line == line => (said.wait * 2).min(LONGEST),
            _ => SHORTEST,
        };
        self.said = Some(Said {
            line: line.to_owned(),
            wait,
            until: now + wait,
        });
        true
    }

    /// What was tried has succeeded: the next line is said in any case.
    pub(crate) fn reset(&mut self) {
        self.said = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_line_is_said_at_growing_intervals_and_another_one_at_once() {
        let (start, mut repeating) = (Instant::now(), Repeating::new());
        let said: Vec<u64> = (0..3600)
            .filter(|second| repeating.is_due("away", start + Duration::from_secs(*second)))
            .collect();
        assert_eq!(said, [0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430, 3030]);
        let later = start + Duration::from_secs(3600);
        assert!(repeating.is_due("refused", later));
        assert!(!repeating.is_due("refused", later));
        repeating.reset();
        assert!(repeating.is_due("refused", later));
    }
}
