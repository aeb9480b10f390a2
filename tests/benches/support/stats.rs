//! Statistics of samples: medians, percentiles, and the lines that compare us with others.

use std::{fmt::Write as _, time::Duration};

/// Durations of single operations.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn push(&mut self, span: Duration) {
        self.0.push(span);
    }

    /// In microseconds; `share` is 0.5 for the median. NaN if there are no samples.
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

/// The median of the rounds. NaN if there are none.
pub(crate) fn median(rounds: &[f64]) -> f64 {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints one comparison. `of` says what was measured of the case, such as `("bytes", "64")`. The ratio is always ours
/// divided by theirs.
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

/// Significant digits only: none after the decimal point above 100, otherwise two.
pub(crate) fn number(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}
