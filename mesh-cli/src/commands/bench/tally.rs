//! What is counted of the calls: how they ended, and how long they took.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use mesh_runtime::operator::OperatorError;

use crate::{
    error::{CliError, Result},
    output::plain,
};

/// The shortest and the longest duration that is counted as it is, in nanoseconds.
const SHORTEST_NS: u64 = 1_000;
const LONGEST_NS: u64 = 3_600_000_000_000;

/// How exact durations are counted, in digits.
const DIGITS: u8 = 3;

/// How many kinds of errors are told apart.
const MAX_KINDS: usize = 20;

/// The longest name of a kind, in characters.
const MAX_KIND: usize = 100;

/// Errors of all further kinds.
const OTHERS: &str = "others";

/// How a call ended.
pub(super) enum Ended {
    /// It was answered.
    Answered,
    /// It was answered with the `Err` of a `Result`.
    AnsweredErr,
    Failed(OperatorError),
}

/// How many calls ended in which way.
pub(super) struct Tally {
    /// How long those took that were answered, also with an `Err`, in nanoseconds.
    pub(super) durations: Histogram<u64>,
    /// All.
    pub(super) calls: u64,
    /// By kind.
    pub(super) errors: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn new() -> Result<Self> {
        let durations = Histogram::new_with_bounds(SHORTEST_NS, LONGEST_NS, DIGITS);
        Ok(Self {
            durations: durations.map_err(|error| CliError::new(error.to_string()))?,
            calls: 0,
            errors: BTreeMap::new(),
        })
    }

    /// Counts a call.
    pub(super) fn add(&mut self, took: Duration, ended: &Ended) {
        self.calls += 1;
        let error = match ended {
            Ended::Answered => None,
            Ended::AnsweredErr => Some("answered with an Err".to_owned()),
            Ended::Failed(error) => Some(kind(error)),
        };
        if !matches!(ended, Ended::Failed(_)) {
            let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.durations.saturating_record(ns);
        }
        if let Some(error) = error {
            self.add_errors(error, 1);
        }
    }

    /// Adds what was counted elsewhere.
    pub(super) fn add_all(&mut self, other: &Self) {
        self.calls += other.calls;
        // All have the same bounds, so this cannot fail.
        let _ = self.durations.add(&other.durations);
        for (kind, count) in &other.errors {
            self.add_errors(kind.clone(), *count);
        }
    }

    fn add_errors(&mut self, kind: String, count: u64) {
        let is_new = !self.errors.contains_key(&kind);
        let kind = if is_new && self.errors.len() >= MAX_KINDS {
            OTHERS.to_owned()
        } else {
            kind
        };
        *self.errors.entry(kind).or_default() += count;
    }
}

/// What an error is called. Without what differs from call to call.
fn kind(error: &OperatorError) -> String {
    let kind = match error {
        OperatorError::Lost { reason } => format!("connection lost: {reason}"),
        OperatorError::DeadlineExceeded { .. } => "no answer in time".to_owned(),
        OperatorError::Denied { .. } => "denied".to_owned(),
        OperatorError::Failed { why, .. } => format!("failed: {why}"),
        OperatorError::DeclaredOtherwise { .. } => "declared otherwise".to_owned(),
        OperatorError::Json { .. } | OperatorError::Answer { .. } => {
            "the answer cannot be read".to_owned()
        }
        other => other.to_string(),
    };
    plain(&kind).chars().take(MAX_KIND).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(why: &str) -> Ended {
        Ended::Failed(OperatorError::Failed {
            command: "charge".to_owned(),
            why: why.to_owned(),
        })
    }

    #[test]
    fn calls_are_counted_by_how_they_ended() {
        let mut tally = Tally::new().unwrap();
        tally.add(Duration::from_millis(1), &Ended::Answered);
        tally.add(Duration::from_millis(2), &Ended::Answered);
        tally.add(Duration::from_millis(3), &Ended::AnsweredErr);
        tally.add(Duration::from_secs(9), &failed("boom"));
        let mut all = Tally::new().unwrap();
        all.add(Duration::from_secs(9), &failed("boom"));
        all.add_all(&tally);
        assert_eq!((all.calls, all.durations.len()), (5, 3));
        assert_eq!(all.errors["failed: boom"], 2);
        assert_eq!(all.errors["answered with an Err"], 1);
    }

    #[test]
    fn kinds_of_errors_have_a_limit() {
        let mut tally = Tally::new().unwrap();
        for number in 0..1_000 {
            let ended = failed(&format!("job {number}"));
            tally.add(Duration::ZERO, &ended);
        }
        assert_eq!(tally.errors.len(), MAX_KINDS + 1);
        assert_eq!(tally.errors.values().sum::<u64>(), 1_000);
    }

    #[test]
    fn every_duration_can_be_counted() {
        let mut tally = Tally::new().unwrap();
        for took in [Duration::ZERO, Duration::MAX] {
            tally.add(took, &Ended::Answered);
        }
        assert_eq!(tally.durations.len(), 2);
    }
}
