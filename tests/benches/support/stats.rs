//! What benches make of their samples: medians, percentiles, and the lines that say how we compare.

use std::{fmt::Write as _, time::Duration};

/// How long single things took.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn push(&mut self, span: Duration) {
        self.0.push(span);
    }

    /// In microseconds; `share` is 0.5 for the median. Not a number if there is none.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        sorted
            .get(at)
            .map_or(f64::NAN, |span| span.as_secs_f64() * 1e6)
    }
}

/// The median of the rounds. Not a number if there is none.
pub(crate) fn median(rounds: &[f64]) -> f64 {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints one comparison. `of` says what of the case was measured, such as `("bytes", "64")`; the ratio is always ours
/// to theirs.
pub(crate) fn ratio(case: &str, of: &[(&str, &str)], peer: &str, ours: f64, theirs: f64) {
    let mut line = format!("RATIO case={case}");
    for (name, value) in of {
        // Writing to a string does not fail.
        let _ = write!(line, " {name}={value}");
    }
    let (ours_text, theirs_text) = (number(ours), number(theirs));
    println!(
        "{line} peer={peer} ours={ours_text} theirs={theirs_text} ratio={:.2}",
        ours / theirs
    );
}

/// Digits that mean something: whole above 100, two decimals below.
pub(crate) fn number(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}
