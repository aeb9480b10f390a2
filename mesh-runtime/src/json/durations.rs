//! Durations as people write them: `1m 30s`, `250ms`.

use std::{fmt::Write, time::Duration};

/// The units, from the greatest to the smallest, in nanoseconds.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

const SECOND: u128 = 1_000_000_000;

/// The text of a duration, exact to the nanosecond.
pub(super) fn text(duration: Duration) -> String {
    let mut left = duration.as_nanos();
    let mut text = String::new();
    for (unit, nanos) in UNITS {
        let count = left / nanos;
        left %= nanos;
        if count > 0 {
            let space = if text.is_empty() { "" } else { " " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{space}{count}{unit}");
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// Reads whole numbers with their units, with or without spaces between them. `None` if the text is nothing of the kind,
/// or more than a `Duration` can hold.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (count, behind) = split(rest, |c| c.is_ascii_digit());
        let (unit, behind) = split(behind.trim_start(), |c| c.is_ascii_alphabetic());
        let (_, nanos) = UNITS.iter().find(|(known, _)| *known == unit)?;
        let count: u128 = count.parse().ok()?;
        total = total.checked_add(count.checked_mul(*nanos)?)?;
        rest = behind.trim_start();
    }
    let seconds = u64::try_from(total / SECOND).ok()?;
    let nanos = u32::try_from(total % SECOND).ok()?;
    Some(Duration::new(seconds, nanos))
}

/// What is in front of the first other character, and the rest.
fn split(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_written_with_units() {
        for (written, duration) in [
            ("0s", Duration::ZERO),
            ("250ms", Duration::from_millis(250)),
            ("1m 30s", Duration::from_secs(90)),
            ("2d 1h 1ns", Duration::new(2 * 86_400 + 3_600, 1)),
        ] {
            assert_eq!(text(duration), written);
            assert_eq!(parse(written), Some(duration));
        }
        assert_eq!(parse(" 1m30 s "), Some(Duration::from_secs(90)));
    }

    #[test]
    fn anything_else_is_none() {
        let huge = format!("{}s 1000ms", u64::MAX);
        for wrong in [
            "",
            " ",
            "1",
            "s",
            "1.5s",
            "-1s",
            "1x",
            "1s,1ms",
            "9999999999999999999999999d",
            &huge,
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn every_duration_goes_there_and_back(duration in any::<Duration>()) {
            prop_assert_eq!(parse(&text(duration)), Some(duration));
        }
    }
}
