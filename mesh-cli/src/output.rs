//! What is printed: tables, JSON, and how durations, counts and texts of others look.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::{
    error::{CliError, Result},
    json_text,
};

/// Blanks between two columns of a table.
const GAP: u16 = 2;

/// Stands for a character that would not be printed as it is.
const REPLACEMENT: char = '\u{fffd}';

const NS_IN_US: u128 = 1_000;
const NS_IN_MS: u128 = 1_000_000;
const NS_IN_S: u128 = 1_000_000_000;
const S_IN_MINUTE: u128 = 60;
const S_IN_HOUR: u128 = 60 * S_IN_MINUTE;
const S_IN_DAY: u128 = 24 * S_IN_HOUR;

/// The last time that RFC 3339 can express: the end of the year 9999.
const LAST_MS: u64 = 253_402_300_799_999;

/// Prints text, with a line break at its end. If our output is closed early, as `head` does, the command goes on, and its
/// exit code says how it went.
pub(crate) fn print(text: &str) -> Result<()> {
    unless_closed(write(text))
}

/// The same for the next part of an output that has no end: if it is closed, nobody wants more, and the command ends.
pub(crate) fn print_next(text: &str) -> Result<()> {
    write(text).map_err(CliError::from)
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn unless_closed(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(CliError::from),
    }
}

/// Tells something that is not part of the output.
pub(crate) fn note(text: &str) {
    // If nobody reads the errors, there is nobody to tell.
    let _ = writeln!(io::stderr(), "{}", plain_lines(text));
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    print(&json_text::pretty(&serde_json::to_string(value)?))
}

/// Prints a value as one line of JSON, of an output that has no end.
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    print_next(&json_text::line(&serde_json::to_string(value)?))
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        Self::new(format!("cannot write JSON: {error}"))
    }
}

/// A table without borders. The columns with the indexes `right` are aligned to the right.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>, right: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell)).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
        if right.contains(&column.index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// A duration with the digits that matter: `71 µs`, `12.4 ms`, `1.3 s`, `4m 12s`, `3d 4h`.
pub(crate) fn span(duration: Duration) -> String {
    let ns = duration.as_nanos();
    if ns == 0 {
        return "0 s".to_owned();
    }
    if ns < NS_IN_US {
        return format!("{ns} ns");
    }
    if round(ns, NS_IN_US) < 1_000 {
        return format!("{} µs", round(ns, NS_IN_US));
    }
    if round(ns, NS_IN_MS) < 1_000 {
        return format!("{} ms", with_tenths(ns, NS_IN_MS));
    }
    // Tenths of seconds.
    if round(ns, NS_IN_S / 10) < 600 {
        return format!("{} s", with_tenths(ns, NS_IN_S));
    }
    let seconds = round(ns, NS_IN_S);
    if seconds < S_IN_HOUR {
        two(seconds, (S_IN_MINUTE, 'm'), (1, 's'))
    } else if seconds < S_IN_DAY {
        two(seconds, (S_IN_HOUR, 'h'), (S_IN_MINUTE, 'm'))
    } else {
        two(seconds, (S_IN_DAY, 'd'), (S_IN_HOUR, 'h'))
    }
}

/// How many units, rounded.
fn round(ns: u128, unit: u128) -> u128 {
    (ns + unit / 2) / unit
}

/// How many units, with one digit after the point below 100 unless it is 0.
fn with_tenths(ns: u128, unit: u128) -> String {
    let tenths = round(ns, unit / 10);
    if tenths >= 1_000 {
        return round(ns, unit).to_string();
    }
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        tenth => format!("{}.{tenth}", tenths / 10),
    }
}

/// Seconds in two units. The small one is left out if there are none of it.
fn two(seconds: u128, big: (u128, char), small: (u128, char)) -> String {
    let rest = seconds % big.0 / small.0;
    let text = format!("{}{}", seconds / big.0, big.1);
    match rest {
        0 => text,
        rest => format!("{text} {rest}{}", small.1),
    }
}

/// A duration in milliseconds, as [`span`] writes it.
pub(crate) fn span_ms(ms: u64) -> String {
    span(Duration::from_millis(ms))
}

/// Milliseconds, with three digits after the point.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1e3)
}

/// With three digits after the point.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// How long ago something was, or in what time it will be. Both are milliseconds since 1970.
pub(crate) fn ago(at_ms: u64, now_ms: u64) -> String {
    if at_ms > now_ms {
        return format!("in {}", span_ms(at_ms - now_ms));
    }
    match now_ms - at_ms {
        0..1_000 => "now".to_owned(),
        ms => format!("{} ago", span_ms(ms - ms % 1_000)),
    }
}

/// Milliseconds since 1970, by the clock of this machine.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// A time in milliseconds since 1970, as RFC 3339 writes it, in UTC.
pub(crate) fn time(ms: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(ms.min(LAST_MS));
    humantime::format_rfc3339_millis(time).to_string()
}

/// So many things: `1 node`, `1,024 nodes`.
pub(crate) fn some(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", count(number))
}

/// A number with a comma after each three digits.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text of others, in one line. Characters that a terminal would obey are replaced.
pub(crate) fn plain(text: &str) -> String {
    let replaced = text.chars().map(|c| match c {
        '\n' | '\t' => ' ',
        c if is_obeyed(c) => REPLACEMENT,
        c => c,
    });
    replaced.collect()
}

/// The same for a text of several lines.
pub(crate) fn plain_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(plain).collect();
    lines.join("\n")
}

/// Whether a terminal does something else than to show this character.
pub(crate) fn is_obeyed(c: char) -> bool {
    // Besides control characters, those that turn the direction of writing, which can make a text look like another.
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_digits_that_matter() {
        for (ns, text) in [
            (0, "0 s"),
            (850, "850 ns"),
            (71_400, "71 µs"),
            (999_700, "1 ms"),
            (12_400_000, "12.4 ms"),
            (430_400_000, "430 ms"),
            (999_700_000, "1 s"),
            (1_300_000_000, "1.3 s"),
            (59_960_000_000, "1m"),
            (252_000_000_000, "4m 12s"),
            (3_600_000_000_000, "1h"),
            (11_100_000_000_000, "3h 5m"),
            (273_600_000_000_000, "3d 4h"),
        ] {
            assert_eq!(span(Duration::from_nanos(ns)), text, "{ns} ns");
        }
        assert!(!span(Duration::MAX).is_empty());
    }

    #[test]
    fn a_closed_output_does_not_hide_how_it_went() {
        let failed = |kind: io::ErrorKind| unless_closed(Err(kind.into()));
        assert!(failed(io::ErrorKind::BrokenPipe).is_ok());
        assert!(failed(io::ErrorKind::StorageFull).is_err());
    }

    #[test]
    fn times_that_cannot_be_written_do_no_harm() {
        assert_eq!(time(1_500), "1970-01-01T00:00:01.500Z");
        assert_eq!(time(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn times_are_before_or_after_now() {
        assert_eq!(ago(1_000, 1_500), "now");
        assert_eq!(ago(1_000, 4_700), "3 s ago");
        assert_eq!(ago(0, 3 * 60_000), "3m ago");
        assert_eq!(ago(4_000, 1_000), "in 3 s");
    }

    #[test]
    fn counts_have_commas() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(some(1, "node", "nodes"), "1 node");
        assert_eq!(some(1_024, "node", "nodes"), "1,024 nodes");
        assert_eq!(milliseconds(Duration::from_nanos(1_234_567)), 1.235);
    }

    #[test]
    fn texts_of_others_do_not_steer_the_terminal() {
        assert_eq!(
            plain("a\x1b[31m\u{9b}2J\u{202e}b\nc\t"),
            "a\u{fffd}[31m\u{fffd}2J\u{fffd}b c "
        );
        assert_eq!(plain_lines("a\x07\nb\r\n"), "a\u{fffd}\nb");
        assert_eq!(plain("größe ✓"), "größe ✓");
    }

    #[test]
    fn a_table_is_aligned_and_has_no_borders() {
        let rows = vec![
            vec!["Billing".to_owned(), "7".to_owned()],
            vec!["Audit".to_owned(), "1,024".to_owned()],
            vec!["e\x1b[2J".to_owned(), String::new()],
        ];
        let text = table(&["type", "links"], rows, &[1]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "type     links",
                "Billing      7",
                "Audit    1,024",
                "e\u{fffd}[2J",
            ]
        );
    }
}
