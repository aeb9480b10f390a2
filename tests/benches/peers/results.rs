//! The results: medians of the rounds, as tables and as ratios.

use std::collections::BTreeMap;

use crate::{
    contest::{LIST, Load, Peer, SMALL},
    load::Round,
    stats::{median, number, ratio},
};

/// One number per round.
#[derive(Default)]
struct Rounds {
    per_s: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    p999: Vec<f64>,
    cpu: Vec<f64>,
}

#[derive(Default)]
pub(crate) struct Results(BTreeMap<(Load, Peer), Rounds>);

impl Results {
    pub(crate) fn add(&mut self, load: Load, peer: Peer, round: &Round) {
        let rounds = self.0.entry((load, peer)).or_default();
        rounds.per_s.push(round.per_s);
        rounds.p50.push(round.latencies.at(0.5));
        rounds.p99.push(round.latencies.at(0.99));
        rounds.p999.push(round.latencies.at(0.999));
        rounds.cpu.push(round.cpu_us);
    }

    fn of(&self, load: Load, peer: Peer) -> Option<&Rounds> {
        self.0.get(&(load, peer))
    }

    /// One table per load.
    pub(crate) fn tables(&self) {
        let mut last = None;
        for ((load, peer), rounds) in &self.0 {
            if last.replace(load) != Some(load) {
                println!("\n{}", title(*load));
                println!(
                    "  {:<20} {:>9} {:>10} {:>10} {:>10} {:>18}",
                    "", "calls/s", "p50 us", "p99 us", "p99.9 us", "CPU ms/1000 calls"
                );
            }
            let cell = |rounds: &[f64]| match median(rounds) {
                none if none.is_nan() || none == 0.0 => "-".to_owned(),
                value => number(value),
            };
            println!(
                "  {:<20} {:>9} {:>10} {:>10} {:>10} {:>18}",
                peer.name(),
                cell(&rounds.per_s),
                cell(&rounds.p50),
                cell(&rounds.p99),
                cell(&rounds.p999),
                cell(&rounds.cpu)
            );
        }
    }

    /// One line per comparison.
    pub(crate) fn ratios(&self) {
        println!();
        for ((load, peer), theirs) in &self.0 {
            let Some(ours) = self.of(*load, Peer::Ours) else {
                continue;
            };
            match *load {
                Load::Closed { bytes, inflight } => {
                    compare_echo(bytes, inflight, *peer, ours, theirs)
                }
                Load::Open { bytes, rate } if ![Peer::Ours, Peer::OursTwice].contains(peer) => {
                    let (bytes, rate) = (bytes.to_string(), rate.to_string());
                    for (metric, ours, theirs) in percentiles(ours, theirs) {
                        let of = [("bytes", &*bytes), ("rate", &*rate), ("metric", metric)];
                        ratio("open-loop", &of, peer.name(), median(ours), median(theirs));
                    }
                }
                Load::Beside { large } if *peer == Peer::Ours => self.compare_beside(large, ours),
                Load::Order { inflight } => {
                    let inflight = inflight.to_string();
                    compare_calls("order", &[("inflight", &inflight)], *peer, ours, theirs);
                }
                Load::List { inflight } => {
                    let (bytes, inflight) = (LIST.to_string(), inflight.to_string());
                    let of = [("bytes", &*bytes), ("inflight", &*inflight)];
                    compare_calls("vec", &of, *peer, ours, theirs);
                }
                Load::Open { .. } | Load::Beside { .. } => {}
            }
        }
    }

    /// Small calls next to large ones, compared with small calls alone.
    fn compare_beside(&self, large: usize, ours: &Rounds) {
        let alone = Load::Closed {
            bytes: SMALL,
            inflight: 1,
        };
        let Some(alone) = self.of(alone, Peer::Ours) else {
            return;
        };
        let (bytes, large) = (SMALL.to_string(), large.to_string());
        for (metric, ours, alone) in percentiles(ours, alone) {
            let of = [
                ("bytes", &*bytes),
                ("inflight", "1"),
                ("large", &*large),
                ("metric", metric),
            ];
            ratio("beside-large", &of, "alone", median(ours), median(alone));
        }
    }
}

fn compare_echo(bytes: usize, inflight: usize, peer: Peer, ours: &Rounds, theirs: &Rounds) {
    let (bytes, inflight) = (bytes.to_string(), inflight.to_string());
    let of = |metric| {
        [
            ("bytes", &*bytes),
            ("inflight", &*inflight),
            ("metric", metric),
        ]
    };
    let per_s = (median(&ours.per_s), median(&theirs.per_s));
    match peer {
        Peer::Ours => {}
        // `ours` is two instances here, and they are compared with one.
        Peer::OursTwice => ratio(
            "two-instances",
            &of("per_s"),
            "one-instance",
            per_s.1,
            per_s.0,
        ),
        Peer::Cipher => ratio("echo", &of("per_s"), peer.name(), per_s.0, per_s.1),
        _ => {
            ratio("echo", &of("per_s"), peer.name(), per_s.0, per_s.1);
            for (metric, ours, theirs) in percentiles(ours, theirs) {
                ratio(
                    "echo",
                    &of(metric),
                    peer.name(),
                    median(ours),
                    median(theirs),
                );
            }
        }
    }
}

/// Calls per second only.
fn compare_calls(case: &str, of: &[(&str, &str)], peer: Peer, ours: &Rounds, theirs: &Rounds) {
    if peer != Peer::Ours {
        let of = [of, &[("metric", "per_s")]].concat();
        ratio(
            case,
            &of,
            peer.name(),
            median(&ours.per_s),
            median(&theirs.per_s),
        );
    }
}

fn percentiles<'a>(
    ours: &'a Rounds,
    theirs: &'a Rounds,
) -> [(&'static str, &'a [f64], &'a [f64]); 2] {
    [
        ("p50_us", &ours.p50, &theirs.p50),
        ("p99_us", &ours.p99, &theirs.p99),
    ]
}

fn title(load: Load) -> String {
    match load {
        Load::Closed { bytes, inflight } => format!("{bytes} bytes, {inflight} in flight"),
        Load::Open { bytes, rate } => format!("{bytes} bytes, {rate} calls/s at a fixed rate"),
        Load::Order { inflight } => format!("an order of 24 lines, {inflight} in flight"),
        Load::List { inflight } => format!("a `Vec<u8>` of 64 KiB, {inflight} in flight"),
        Load::Beside { large } => {
            format!("64 bytes, 1 in flight, beside {large} callers of 1 MiB on the same connection")
        }
    }
}
