//! What is printed at the end: rate, percentiles, and a histogram of bars.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::tally::Tally;
use crate::output::{count, milliseconds, rounded, some, span};

/// The length of the longest bar, in characters.
const BAR: u64 = 40;

/// The steps between the bounds of the bars: each power of ten in three.
const STEPS: [u64; 3] = [1, 2, 5];

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) command: String,
    pub(super) instances: usize,
    /// Calls at once.
    pub(super) concurrency: usize,
    /// The rate that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rate: Option<u32>,
    /// How long was measured.
    pub(super) seconds: f64,
    /// That have ended in this time.
    pub(super) calls: u64,
    /// That were answered.
    pub(super) calls_per_s: f64,
    pub(super) errors: BTreeMap<String, u64>,
    /// How long the calls took that were answered.
    pub(super) percentiles: Option<Percentiles>,
    #[serde(skip)]
    pub(super) bars: Vec<Bar>,
}

/// Durations in milliseconds, each with the share of calls that took at most so long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Percentiles {
    min_ms: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    #[serde(rename = "p99.9_ms")]
    p999_ms: f64,
    max_ms: f64,
    mean_ms: f64,
}

/// How many calls took so long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bar {
    /// At most, in nanoseconds.
    up_to_ns: u64,
    calls: u64,
}

impl Report {
    /// What was counted in this time.
    pub(super) fn new(command: String, instances: usize, window: Duration, tally: Tally) -> Self {
        let seconds = window.as_secs_f64();
        let calls_per_s = if seconds > 0.0 {
            tally.durations.len() as f64 / seconds
        } else {
            0.0
        };
        Self {
            command,
            instances,
            concurrency: 0,
            rate: None,
            seconds: rounded(seconds),
            calls: tally.calls,
            calls_per_s: rounded(calls_per_s),
            percentiles: Percentiles::of(&tally.durations),
            bars: bars(&tally.durations),
            errors: tally.errors,
        }
    }

    /// The report for people.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![self.heading(), String::new()];
        let per_second = count(self.calls_per_s.round() as u64);
        lines.push(format!("calls   {} ({per_second}/s)", count(self.calls)));
        if let Some(rate) = self.rate {
            lines.push(format!("wanted  {}/s", count(rate.into())));
        }
        lines.push(format!("errors  {}", count(self.errors.values().sum())));
        for (kind, number) in &self.errors {
            lines.push(format!("        {} {kind}", count(*number)));
        }
        if let Some(percentiles) = &self.percentiles {
            lines.push(String::new());
            lines.extend(percentiles.lines());
            lines.push(String::new());
            lines.extend(bar_lines(&self.bars));
        }
        lines.join("\n")
    }

    fn heading(&self) -> String {
        format!(
            "{} of {}, {} at once, {} s",
            self.command,
            some(self.instances as u64, "instance", "instances"),
            self.concurrency,
            self.seconds,
        )
    }
}

impl Percentiles {
    fn of(durations: &Histogram<u64>) -> Option<Self> {
        let ms = |ns: u64| milliseconds(Duration::from_nanos(ns));
        let quantile = |q| ms(durations.value_at_quantile(q));
        (!durations.is_empty()).then(|| Self {
            min_ms: ms(durations.min()),
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: ms(durations.max()),
            mean_ms: rounded(durations.mean() / 1e6),
        })
    }

    fn lines(&self) -> Vec<String> {
        let named = [
            ("min", self.min_ms),
            ("p50", self.p50_ms),
            ("p90", self.p90_ms),
            ("p99", self.p99_ms),
            ("p99.9", self.p999_ms),
            ("max", self.max_ms),
            ("mean", self.mean_ms),
        ];
        named
            .iter()
            .map(|(name, ms)| {
                // They are never negative.
                let duration = Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default();
                format!("{name:<6} {:>9}", span(duration))
            })
            .collect()
    }
}

/// The calls by duration. Empty ones at both ends are left out.
fn bars(durations: &Histogram<u64>) -> Vec<Bar> {
    let mut bars: Vec<Bar> = bounds()
        .map(|up_to_ns| Bar { up_to_ns, calls: 0 })
        .collect();
    for step in durations.iter_recorded() {
        let ns = step.value_iterated_to();
        let place = bars.partition_point(|bar| bar.up_to_ns < ns);
        let last = bars.len().saturating_sub(1);
        if let Some(bar) = bars.get_mut(place.min(last)) {
            bar.calls += step.count_at_value();
        }
    }
    let first = bars.iter().position(|bar| bar.calls > 0);
    let last = bars.iter().rposition(|bar| bar.calls > 0);
    match (first, last) {
        (Some(first), Some(last)) => bars[first..=last].to_vec(),
        _ => Vec::new(),
    }
}

/// From 1 µs to 5,000 s.
fn bounds() -> impl Iterator<Item = u64> {
    (3..=12).flat_map(|exponent| STEPS.map(|step| step * 10_u64.pow(exponent)))
}

fn bar_lines(bars: &[Bar]) -> Vec<String> {
    let most = bars.iter().map(|bar| bar.calls).max().unwrap_or(0).max(1);
    let all = bars.iter().map(|bar| bar.calls).sum::<u64>().max(1);
    bars.iter()
        .map(|bar| {
            // Whoever has calls has a bar.
            let length = bar.calls.saturating_mul(BAR).div_ceil(most);
            let bar_text: String = std::iter::repeat_n('█', length as usize).collect();
            let share = 100.0 * bar.calls as f64 / all as f64;
            let up_to = span(Duration::from_nanos(bar.up_to_ns));
            let line = format!(
                "≤ {up_to:>8} {:>12} {share:>5.1}% {bar_text}",
                count(bar.calls)
            );
            line.trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::tally::Ended;

    fn report() -> Report {
        let mut tally = Tally::new().unwrap();
        for (us, times) in [(150, 90), (1_500, 9), (40_000, 1)] {
            for _ in 0..times {
                tally.add(Duration::from_micros(us), &Ended::Answered);
            }
        }
        tally.add(Duration::from_micros(150), &Ended::AnsweredErr);
        let mut report = Report::new(
            "Billing.charge".to_owned(),
            2,
            Duration::from_secs(2),
            tally,
        );
        report.concurrency = 64;
        report
    }

    #[test]
    fn durations_are_told_as_percentiles_and_bars() {
        let report = report();
        assert_eq!((report.calls, report.calls_per_s), (101, 50.5));
        let percentiles = report.percentiles.as_ref().unwrap();
        assert!((percentiles.p50_ms - 0.15).abs() < 0.002);
        assert!((percentiles.p99_ms - 1.5).abs() < 0.02);
        assert!((percentiles.max_ms - 40.0).abs() < 0.1);
        let counts: Vec<_> = report.bars.iter().map(|bar| bar.calls).collect();
        assert_eq!(counts, [91, 0, 0, 9, 0, 0, 0, 1]);
        assert_eq!(report.bars[0].up_to_ns, 200_000);
    }

    #[test]
    fn the_text_has_all_of_it() {
        let text = report().text();
        for part in [
            "Billing.charge of 2 instances, 64 at once, 2 s",
            "calls   101 (51/s)",
            "errors  1",
            "1 answered with an Err",
            "p99.9",
            "████",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }

    #[test]
    fn nothing_at_all_is_told_without_percentiles() {
        let none = Tally::new().unwrap();
        let report = Report::new("Billing.charge".to_owned(), 1, Duration::ZERO, none);
        assert_eq!((report.calls, report.calls_per_s), (0, 0.0));
        assert!(report.percentiles.is_none() && report.bars.is_empty());
        assert!(report.text().contains("calls   0 (0/s)"));
    }

    #[test]
    fn json_has_numbers_only() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["calls"], 101);
        assert!(json["percentiles"]["p99.9_ms"].is_f64());
        assert!(json.get("bars").is_none());
    }
}
