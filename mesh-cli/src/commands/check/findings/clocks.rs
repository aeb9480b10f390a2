//! Clocks that are apart.

use std::time::Duration;

use super::Finding;
use crate::{
    commands::check::snapshot::{Clock, Snapshot},
    output::span_ms,
};

/// Compares all clocks, the master's too, with the one in the middle.
pub(super) fn find(snapshot: &Snapshot, limit: Duration) -> Vec<Finding> {
    let master = snapshot
        .master
        .clock
        .map(|clock| ("master".to_owned(), clock));
    let nodes = snapshot.answered();
    let nodes = nodes.filter_map(|(node, answers)| Some((node.name(), answers.clock?)));
    let clocks: Vec<(String, Clock)> = master.into_iter().chain(nodes).collect();
    let Some(middle) = median(&clocks) else {
        return Vec::new();
    };
    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    clocks
        .iter()
        .filter_map(|(name, clock)| apart(name, clock, middle, limit_ms))
        .collect()
}

/// The clock in the middle.
fn median(clocks: &[(String, Clock)]) -> Option<i64> {
    let mut ahead: Vec<i64> = clocks.iter().map(|(_, clock)| clock.ahead_ms).collect();
    ahead.sort_unstable();
    let middle = ahead.len().saturating_sub(1) / 2;
    ahead.get(middle).copied()
}

fn apart(name: &str, clock: &Clock, middle: i64, limit_ms: u64) -> Option<Finding> {
    let apart_ms = clock.ahead_ms.abs_diff(middle);
    let doubt_ms = clock.give_or_take_ms.unsigned_abs();
    if apart_ms <= limit_ms.saturating_add(doubt_ms) {
        return None;
    }
    let way = if clock.ahead_ms > middle {
        "ahead of"
    } else {
        "behind"
    };
    let by = span_ms(apart_ms);
    let what = format!("its clock is {by} {way} the clock in the middle of the mesh");
    Some(
        Finding::warning("clock_apart", name, what)
            .advice("let a time service such as chrony set the clock of its machine"),
    )
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Severity, example},
        *,
    };

    const LIMIT: Duration = Duration::from_secs(2);

    #[test]
    fn a_clock_far_from_the_middle_is_a_warning() {
        let mut snapshot = example::shop();
        example::answers(&mut snapshot, "b2").clock = example::clock(-10_000);
        let findings = find(&snapshot, LIMIT);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].kind, findings[0].severity),
            ("clock_apart", Severity::Warning)
        );
        assert_eq!(findings[0].place, "Billing/b2");
        assert!(
            findings[0].what.contains("10 s behind"),
            "{}",
            findings[0].what
        );
    }

    #[test]
    fn this_machine_may_be_wrong() {
        let mut snapshot = example::shop();
        snapshot.master.clock = example::clock(60_000);
        for instance in ["b1", "b2", "g1"] {
            example::answers(&mut snapshot, instance).clock = example::clock(60_000);
        }
        assert_eq!(find(&snapshot, LIMIT), []);
    }

    #[test]
    fn a_slow_answer_leaves_doubt() {
        let mut snapshot = example::shop();
        let slow = Clock {
            ahead_ms: 3_000,
            give_or_take_ms: 1_500,
        };
        example::answers(&mut snapshot, "b2").clock = Some(slow);
        assert_eq!(find(&snapshot, LIMIT), []);
        example::answers(&mut snapshot, "b2").clock = None;
        assert_eq!(find(&snapshot, LIMIT), []);
    }

    #[test]
    fn clocks_beyond_all_measure_do_no_harm() {
        let mut snapshot = example::shop();
        example::answers(&mut snapshot, "b1").clock = example::clock(i64::MAX);
        example::answers(&mut snapshot, "b2").clock = example::clock(i64::MIN);
        assert_eq!(find(&snapshot, LIMIT).len(), 2);
    }
}
