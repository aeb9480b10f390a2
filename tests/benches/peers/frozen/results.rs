//! The results: medians of the rounds, as a table and as ratios.

use std::{collections::BTreeMap, time::Duration};

use super::{BYTES, CALLERS, Round, SERVERS};
use crate::{
    contest::Peer,
    stats::{median, number, ratio},
};

/// One number per round.
#[derive(Default)]
struct Rounds {
    before: Vec<f64>,
    frozen: Vec<f64>,
    frozen_failed: Vec<f64>,
    after: Vec<f64>,
    after_failed: Vec<f64>,
}

pub(crate) struct Results {
    freeze: Duration,
    rounds: BTreeMap<Peer, Rounds>,
}

impl Results {
    pub(super) fn new(freeze: Duration) -> Self {
        Self {
            freeze,
            rounds: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, peer: Peer, round: &Round) {
        let rounds = self.rounds.entry(peer).or_default();
        rounds.before.push(round.before.per_s);
        rounds.frozen.push(round.frozen.per_s);
        rounds.frozen_failed.push(round.frozen.failed as f64);
        rounds.after.push(round.after.per_s);
        rounds.after_failed.push(round.after.failed as f64);
    }

    pub(crate) fn table(&self) {
        println!(
            "\n{BYTES} bytes, {CALLERS} in flight, one of {SERVERS} servers frozen for {} s",
            self.freeze.as_secs()
        );
        println!(
            "  {:<20} {:>14} {:>14} {:>8} {:>14} {:>8}",
            "", "before calls/s", "frozen calls/s", "failed", "after calls/s", "failed"
        );
        for (peer, rounds) in &self.rounds {
            println!(
                "  {:<20} {:>14} {:>14} {:>8.0} {:>14} {:>8.0}",
                peer.name(),
                number(median(&rounds.before)),
                number(median(&rounds.frozen)),
                median(&rounds.frozen_failed),
                number(median(&rounds.after)),
                median(&rounds.after_failed)
            );
        }
    }

    /// Answered and failed calls during the freeze: two lines per comparison.
    pub(crate) fn ratios(&self) {
        println!();
        let Some(ours) = self.rounds.get(&Peer::Ours) else {
            return;
        };
        let (bytes, inflight) = (BYTES.to_string(), CALLERS.to_string());
        let seconds = self.freeze.as_secs().to_string();
        let compare = |metric, peer: Peer, ours, theirs| {
            let of = [
                ("bytes", &*bytes),
                ("inflight", &*inflight),
                ("seconds", &*seconds),
                ("metric", metric),
            ];
            ratio("frozen", &of, peer.name(), ours, theirs);
        };
        for (&peer, theirs) in &self.rounds {
            if peer == Peer::Ours {
                continue;
            }
            compare("per_s", peer, median(&ours.frozen), median(&theirs.frozen));
            let (ours, theirs) = (median(&ours.frozen_failed), median(&theirs.frozen_failed));
            // There is no ratio to none. The table has the number.
            if theirs > 0.0 {
                compare("failed", peer, ours, theirs);
            }
        }
    }
}
