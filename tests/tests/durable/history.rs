//! What happened to jobs, and whether any of it violates a guarantee. Knows nothing of processes or Redis.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A caller was told that its job is queued.
    Accepted { job: String, number: u64 },
    /// A caller was told that its job was not queued, or may not have been.
    Refused { number: u64, why: String },
    /// A handler began.
    Started {
        job: String,
        attempt: u32,
        number: u64,
    },
    /// A handler finished.
    Done {
        job: String,
        attempt: u32,
        number: u64,
    },
}

/// The state of the queue at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Jobs among the dead letters, and how often they were tried.
    pub(crate) dead: BTreeMap<String, u32>,
    /// How many jobs are waiting, running or delayed.
    pub(crate) waiting: u64,
}

/// A violation of a guarantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// These jobs were accepted, but are neither done nor still there.
    Lost(BTreeSet<String>),
    /// A handler was given a job that nobody had sent.
    FromNowhere { job: String, number: u64 },
    /// A handler was given a different number than was sent under that id.
    Mixed { job: String, sent: u64, ran: u64 },
    /// A job was tried more often than allowed.
    TooOften { job: String, attempt: u32 },
}

/// Counts of what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) done: usize,
    pub(crate) repeated: usize,
    pub(crate) dead: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} accepted, {} refused, {} done ({} more than once), {} dead letters",
            self.accepted, self.refused, self.done, self.repeated, self.dead
        )
    }
}

/// Checks a history: every accepted job was done at least once, or is a dead letter, or still waits; and no job ran
/// that was not sent.
pub(crate) fn check(
    history: &[Event],
    left: &Left,
    attempts: u32,
) -> Result<Summary, Vec<Violation>> {
    let mut accepted = BTreeMap::new();
    let mut refused = BTreeSet::new();
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    let mut violations = Vec::new();
    for event in history {
        match event {
            Event::Accepted { job, number } => {
                accepted.insert(job.as_str(), *number);
            }
            Event::Refused { number, .. } => {
                refused.insert(*number);
            }
            Event::Done { job, .. } => *done.entry(job).or_default() += 1,
            Event::Started { .. } => {}
        }
    }
    for event in history {
        let (Event::Started {
            job,
            attempt,
            number,
        }
        | Event::Done {
            job,
            attempt,
            number,
        }) = event
        else {
            continue;
        };
        match accepted.get(job.as_str()) {
            Some(sent) if sent != number => violations.push(Violation::Mixed {
                job: job.clone(),
                sent: *sent,
                ran: *number,
            }),
            Some(_) => {}
            // The job was queued, although its caller was told that it may not be.
            None if refused.contains(number) => {}
            None => violations.push(Violation::FromNowhere {
                job: job.clone(),
                number: *number,
            }),
        }
        if *attempt > attempts {
            violations.push(Violation::TooOften {
                job: job.clone(),
                attempt: *attempt,
            });
        }
    }
    let lost: BTreeSet<String> = accepted
        .keys()
        .filter(|job| !done.contains_key(**job) && !left.dead.contains_key(**job))
        .map(ToString::to_string)
        .collect();
    // It is unknown which jobs still wait, but only that many can be missing.
    if lost.len() as u64 > left.waiting {
        violations.push(Violation::Lost(lost));
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(Summary {
        accepted: accepted.len(),
        refused: refused.len(),
        done: done.len(),
        repeated: done.values().filter(|times| **times > 1).count(),
        dead: left.dead.len(),
    })
}

mod tests {
    use super::*;

    fn accepted(job: &str, number: u64) -> Event {
        Event::Accepted {
            job: job.into(),
            number,
        }
    }

    fn started(job: &str, attempt: u32, number: u64) -> Event {
        Event::Started {
            job: job.into(),
            attempt,
            number,
        }
    }

    fn done(job: &str, number: u64) -> Event {
        Event::Done {
            job: job.into(),
            attempt: 1,
            number,
        }
    }

    #[test]
    fn a_sound_history_is_summed_up() {
        let history = [
            accepted("a", 1),
            accepted("b", 2),
            Event::Refused {
                number: 3,
                why: "no room".into(),
            },
            started("a", 1, 1),
            started("a", 2, 1),
            done("a", 1),
            done("a", 1),
            done("c", 3),
        ];
        let left = Left {
            dead: [("b".to_owned(), 5)].into(),
            waiting: 0,
        };
        let expected = Summary {
            accepted: 2,
            refused: 1,
            done: 2,
            repeated: 1,
            dead: 1,
        };
        assert_eq!(check(&history, &left, 5), Ok(expected));
    }

    #[test]
    fn a_job_that_began_and_is_nowhere_is_lost() {
        let history = [accepted("a", 1), started("a", 1, 1)];
        let lost = Violation::Lost(["a".to_owned()].into());
        assert_eq!(check(&history, &Left::default(), 5), Err(vec![lost]));
        let waiting = Left {
            waiting: 1,
            ..Left::default()
        };
        assert!(check(&history, &waiting, 5).is_ok());
    }

    #[test]
    fn jobs_from_nowhere_mixed_up_and_tried_too_often_are_seen() {
        let history = [
            accepted("a", 1),
            done("a", 7),
            started("x", 1, 9),
            started("a", 6, 1),
        ];
        let violations = check(&history, &Left::default(), 5).unwrap_err();
        assert!(matches!(
            violations[0],
            Violation::Mixed {
                sent: 1,
                ran: 7,
                ..
            }
        ));
        assert!(matches!(
            violations[1],
            Violation::FromNowhere { number: 9, .. }
        ));
        assert!(matches!(
            violations[2],
            Violation::TooOften { attempt: 6, .. }
        ));
    }
}
