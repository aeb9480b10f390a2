//! Tests of the rows: rates, restarts, silent nodes and queues.

use std::time::Instant;

use serde_json::{Value, json};

use super::*;

/// Metrics of one command: so many calls took under 1 ms, and so many of them failed.
pub(crate) fn command(name: &str, direction: &str, calls: u64, errors: u64) -> Value {
    json!({
        "type": "Billing", "command": name, "direction": direction, "in_flight": 2, "retries": 0,
        "statuses": {"ok": calls - errors, "error": errors},
        "sum_ns": calls * 900_000,
        "buckets": [{"from_ns": 800_000, "to_ns": 1_000_000, "count": calls}],
    })
}

/// A node of the type `Billing` that was heard.
pub(crate) fn heard(instance: &str, at: Instant, commands: Value, queues: Value) -> NodeSample {
    NodeSample {
        process: process(instance),
        heard: Heard::Counted {
            at,
            metrics: serde_json::from_value(json!({ "commands": commands })).unwrap(),
            queues: serde_json::from_value(queues).unwrap(),
        },
    }
}

/// A node of the type `Billing` that was not heard.
pub(crate) fn silent(instance: &str) -> NodeSample {
    NodeSample {
        process: process(instance),
        heard: Heard::Nothing,
    }
}

pub(crate) fn sample(nodes: Vec<NodeSample>) -> Sample {
    Sample {
        nodes,
        master_lost: false,
    }
}

fn process(instance: &str) -> Process {
    Process {
        node_type: "Billing".to_owned(),
        instance: instance.to_owned(),
        addr: "127.0.0.1:1".to_owned(),
        started_ms: 1,
    }
}

/// What is known after a sample.
pub(crate) fn after(sample: &Sample) -> Before {
    let mut before = Before::default();
    before.remember(sample.clone());
    before
}

/// Two samples of instances, 2 s apart. Each is given as calls and errors before and now.
fn two(counts: &[(&str, [u64; 4])]) -> (Sample, Sample) {
    let start = Instant::now();
    let later = start + Duration::from_secs(2);
    let at = |at: Instant, which: usize| {
        let nodes = counts.iter().map(|(instance, counts)| {
            let commands = json!([command(
                "charge",
                "server",
                counts[which],
                counts[which + 1]
            )]);
            heard(instance, at, commands, json!([]))
        });
        sample(nodes.collect())
    };
    (at(start, 0), at(later, 2))
}

#[test]
fn rates_are_those_between_two_samples() {
    let (before, now) = two(&[("b1", [10, 0, 30, 4]), ("b2", [0, 0, 20, 0])]);
    let rows = after(&before).rows(&now);
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (&*row.key.node_type, &*row.key.command),
        ("Billing", "charge")
    );
    assert_eq!(row.figures.calls_per_s, Some(20.0));
    assert_eq!(row.figures.errors_per_s, Some(2.0));
    assert_eq!(row.figures.in_flight, Some(4));
    let p99 = row.figures.p99.unwrap();
    assert!(p99 > Duration::from_micros(800) && p99 <= Duration::from_millis(1));
    let rates: Vec<_> = row
        .instances
        .iter()
        .map(|instance| instance.figures.calls_per_s)
        .collect();
    assert_eq!(rates, [Some(10.0), Some(10.0)]);
    assert_eq!(Totals::of(&now, &rows).calls_per_s, Some(20.0));
}

#[test]
fn the_first_sample_has_no_rates() {
    let (first, _) = two(&[("b1", [10, 0, 0, 0])]);
    let rows = Before::default().rows(&first);
    let figures = &rows[0].figures;
    assert_eq!((figures.calls_per_s, figures.p50), (None, None));
    assert_eq!(figures.in_flight, Some(2));
    assert_eq!(Totals::of(&first, &rows).calls_per_s, None);
}

#[test]
fn a_counter_that_went_backwards_begins_anew() {
    let (before, now) = two(&[("b1", [1_000, 50, 6, 1])]);
    let rows = after(&before).rows(&now);
    assert_eq!(rows[0].figures.calls_per_s, Some(3.0));
    assert_eq!(rows[0].figures.errors_per_s, Some(0.5));
}

#[test]
fn a_node_that_was_started_anew_is_another() {
    let (before, mut now) = two(&[("b1", [10, 0, 30, 0])]);
    now.nodes[0].process.started_ms = 2;
    assert_eq!(after(&before).rows(&now)[0].figures.calls_per_s, None);
}

#[test]
fn a_silent_node_keeps_its_rows_and_is_compared_with_what_it_told_before() {
    let (first, third) = two(&[("b1", [10, 0, 30, 4])]);
    let second = sample(vec![silent("b1")]);
    let mut before = after(&first);
    let rows = before.rows(&second);
    assert_eq!(rows[0].key.command, "charge");
    assert_eq!(rows[0].figures, Figures::default());
    assert_eq!(rows[0].instances[0].answered, Answered::No);
    before.remember(second);
    assert_eq!(before.rows(&third)[0].figures.calls_per_s, Some(10.0));
    // What is no longer listed is forgotten.
    before.remember(sample(Vec::new()));
    assert!(before.rows(&sample(vec![silent("b1")])).is_empty());
}

#[test]
fn a_node_that_is_not_heard_is_in_the_rows_of_its_type() {
    let (mut before, mut now) = two(&[("b1", [10, 0, 30, 0])]);
    before.nodes.push(silent("b2"));
    now.nodes.push(silent("b2"));
    now.nodes.push(NodeSample {
        process: process("b3"),
        heard: Heard::NoMetrics { queues: Vec::new() },
    });
    let rows = after(&before).rows(&now);
    let row = &rows[0];
    assert_eq!(row.figures.calls_per_s, Some(10.0));
    assert_eq!((row.answered(), row.instances.len()), (1, 3));
    assert_eq!(row.instances[1].answered, Answered::No);
    assert_eq!(row.instances[1].figures, Figures::default());
    assert_eq!(row.instances[2].answered, Answered::NoMetrics);
    let totals = Totals::of(&now, &rows);
    assert_eq!(
        (totals.nodes, totals.unreachable, totals.no_metrics),
        (3, 1, 1)
    );
}

#[test]
fn a_shared_queue_counts_once_and_queues_of_instances_count_together() {
    let at = Instant::now();
    let queue = |shared: bool, waiting: u64| {
        json!([{
            "command": "export", "of_instance": false, "shared": shared, "waiting": waiting,
            "delayed": 1, "running": 0, "dead": 2, "oldest_ms": null, "paused": false, "error": null,
        }])
    };
    for (shared, waiting, dead, of_instance) in [(true, 8, 2, None), (false, 14, 4, Some(6))] {
        let now = sample(vec![
            heard("b1", at, json!([]), queue(shared, 5)),
            heard("b2", at, json!([]), queue(shared, 7)),
        ]);
        let rows = Before::default().rows(&now);
        assert_eq!(rows[0].key.kind, Kind::Job);
        let figures = &rows[0].figures;
        assert_eq!((figures.waiting, figures.dead), (Some(waiting), Some(dead)));
        assert_eq!(rows[0].instances[0].figures.waiting, of_instance);
    }
}

#[test]
fn dead_letters_of_all_instances_count_once_also_if_each_has_its_own_queue() {
    let at = Instant::now();
    let queue = |dead: u64| {
        json!([{
            "command": "export", "of_instance": true, "dead_shared": true, "waiting": 3, "dead": dead,
        }])
    };
    let now = sample(vec![
        heard("b1", at, json!([]), queue(4)),
        heard("b2", at, json!([]), queue(5)),
    ]);
    let rows = Before::default().rows(&now);
    let figures = &rows[0].figures;
    assert_eq!((figures.waiting, figures.dead), (Some(6), Some(5)));
    let of_instance = &rows[0].instances[0].figures;
    assert_eq!((of_instance.waiting, of_instance.dead), (Some(3), None));
}

#[test]
fn calls_and_jobs_of_a_command_are_two_rows_and_calls_that_are_made_are_none() {
    let now = sample(vec![heard(
        "b1",
        Instant::now(),
        json!([
            command("export", "server", 5, 0),
            command("export", "job", 3, 1),
            command("price", "client", 9, 0),
        ]),
        json!([]),
    )]);
    let rows = Before::default().rows(&now);
    let kinds: Vec<_> = rows.iter().map(|row| row.key.kind).collect();
    assert_eq!(kinds, [Kind::Call, Kind::Job]);
}

#[test]
fn two_samples_of_the_same_moment_have_no_rates() {
    let at = Instant::now();
    let commands = json!([command("charge", "server", 5, 0)]);
    let now = sample(vec![heard("b1", at, commands, json!([]))]);
    assert_eq!(after(&now).rows(&now)[0].figures.calls_per_s, None);
}
