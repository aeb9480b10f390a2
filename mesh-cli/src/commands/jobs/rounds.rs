//! Changes the dead letters that a filter means, in rounds: one list has only the oldest.

use std::collections::HashSet;

use mesh_runtime::operator::OperatorError;

use super::{
    filter::Filter,
    places::{Change, Letters, Places},
};
use crate::error::{Result, chain};

/// The most rounds, of up to 1,000 dead letters for each place.
const ROUNDS: usize = 1000;

/// How many changes in a row may fail before the others are left alone.
const FAILURES: u32 = 20;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// How many dead letters were changed.
    pub(super) changed: u64,
    pub(super) rounds: usize,
    /// How many could not be changed.
    pub(super) failed: u64,
    /// The last error.
    pub(super) error: Option<String>,
    /// Why there was no further round, although there should have been one.
    pub(super) stopped: Option<String>,
    /// What the last round saw.
    pub(super) last: Letters,
}

/// Changes each dead letter that is meant, once: one that is put back and dies again stays.
pub(super) async fn run(places: &Places, filter: &Filter, change: Change) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut tried = HashSet::new();
    while outcome.rounds < ROUNDS {
        outcome.rounds += 1;
        let letters = match places.letters(filter).await {
            Ok(letters) => letters,
            Err(error) if outcome.changed == 0 => return Err(error),
            Err(error) => {
                outcome.stopped = Some(error.what().to_owned());
                break;
            }
        };
        let before = outcome.changed;
        let goes_on = round(places, &letters, change, &mut tried, &mut outcome).await;
        let more = letters.full || !letters.closed.is_empty();
        outcome.last = letters;
        if !goes_on || !more || outcome.changed == before {
            break;
        }
    }
    Ok(outcome)
}

/// Whether another round makes sense after this one.
async fn round(
    places: &Places,
    letters: &Letters,
    change: Change,
    tried: &mut HashSet<String>,
    outcome: &mut Outcome,
) -> bool {
    let mut in_a_row = 0;
    for found in &letters.letters {
        if !tried.insert(found.view.job.clone()) {
            continue;
        }
        match places.change(change, found).await {
            Ok(changed) => {
                outcome.changed += u64::from(changed);
                in_a_row = 0;
            }
            Err(error) => {
                outcome.failed += 1;
                outcome.error = Some(chain(&error));
                in_a_row += 1;
                // What fails for one need not fail for the next, but a lost connection does.
                if !matches!(error, OperatorError::Failed { .. }) || in_a_row >= FAILURES {
                    return false;
                }
            }
        }
    }
    true
}
