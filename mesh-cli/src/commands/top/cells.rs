//! The columns as text: for the live table and for the plain one.

use std::time::Duration;

use super::{
    rates::Totals,
    state::{Column, Line},
};
use crate::output::{count, some, span};

/// Stands for what is not known.
const UNKNOWN: &str = "–";

/// From here on, numbers are written in thousands.
const LONG: u64 = 100_000;

/// What a column is called.
pub(super) fn heading(column: Column) -> &'static str {
    match column {
        Column::Name => "COMMAND",
        Column::Calls => "CALLS/S",
        Column::Errors => "ERR/S",
        Column::P50 => "P50",
        Column::P99 => "P99",
        Column::InFlight => "FLIGHT",
        Column::Waiting => "WAIT",
        Column::Dead => "DEAD",
        Column::Instances => "INST",
    }
}

/// What a line has in a column.
pub(super) fn text(line: &Line, column: Column) -> String {
    let figures = &line.figures;
    match column {
        Column::Name => line.name.clone(),
        Column::Calls => rate(figures.calls_per_s),
        Column::Errors => rate(figures.errors_per_s),
        Column::P50 => duration(figures.p50),
        Column::P99 => duration(figures.p99),
        Column::InFlight => number(figures.in_flight),
        Column::Waiting => number(figures.waiting),
        Column::Dead => number(figures.dead),
        Column::Instances => line.instances.clone(),
    }
}

/// How many nodes there are.
pub(super) fn nodes(totals: &Totals) -> String {
    some(totals.nodes as u64, "node", "nodes")
}

/// A rate: with one digit after the point below 10.
pub(super) fn rate(rate: Option<f64>) -> String {
    match rate {
        None => UNKNOWN.to_owned(),
        Some(rate) if rate <= 0.0 => "0".to_owned(),
        Some(rate) if rate < 0.1 => "<0.1".to_owned(),
        Some(rate) if rate < 9.95 => format!("{rate:.1}"),
        Some(rate) => short(rate.round() as u64),
    }
}

fn duration(duration: Option<Duration>) -> String {
    duration.map_or_else(|| UNKNOWN.to_owned(), span)
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), short)
}

/// A number in a few characters.
fn short(number: u64) -> String {
    let mut number = number;
    let mut units = ["k", "M", "G", "T", "P"].into_iter();
    let mut unit = "";
    while number >= LONG
        && let Some(next) = units.next()
    {
        number /= 1_000;
        unit = next;
    }
    format!("{}{unit}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short_and_small_ones_are_not_0() {
        for (number, text) in [
            (0.0, "0"),
            (0.01, "<0.1"),
            (0.26, "0.3"),
            (9.94, "9.9"),
            (9.96, "10"),
            (12_345.4, "12,345"),
            (538_000.0, "538k"),
            (f64::MAX, "18,446P"),
        ] {
            assert_eq!(rate(Some(number)), text, "{number}");
        }
        assert_eq!(rate(None), "–");
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        assert_eq!(
            (number(None), duration(None)),
            ("–".to_owned(), "–".to_owned())
        );
        assert_eq!(number(Some(1_234_567)), "1,234k");
        assert_eq!(duration(Some(Duration::from_millis(5))), "5 ms");
    }
}
