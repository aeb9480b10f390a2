//! Queues that grow or stand still, that are paused, that have dead letters, and whose engine fails.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use mesh_runtime::operator::{HealthStatus, QueueCounts};

use super::{Finding, names};
use crate::{
    commands::{
        check::snapshot::{NodeSeen, Snapshot},
        jobs::counts::{QueueRow, Reported, merge},
    },
    output::{count, some, span, span_ms},
};

pub(super) fn find(snapshot: &Snapshot, oldest: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in merge(reported(snapshot)) {
        findings.extend(failing(&row));
        findings.extend(paused(&row));
        findings.extend(dead(&row));
    }
    for queue in looked_at(snapshot) {
        findings.extend(slow(&queue, oldest, snapshot.watched));
    }
    findings
}

fn reported(snapshot: &Snapshot) -> Vec<Reported> {
    let mut reported = Vec::new();
    for (node, answers) in snapshot.answered() {
        for counts in &answers.queues {
            reported.push(Reported {
                node_type: node.node_type.clone(),
                instance: node.instance.clone(),
                counts: counts.clone(),
            });
        }
    }
    reported
}

/// Each error of an engine, with the instances that have it. Observers do not see the text.
fn failing(row: &QueueRow) -> Vec<Finding> {
    let mut by_error: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for failed in &row.failed {
        let error = match failed.error.as_str() {
            "" => "(observers do not see the error)",
            error => error,
        };
        by_error.entry(error).or_default().push(&failed.instance);
    }
    let finding = |(error, instances): (&str, Vec<&str>)| {
        let what = format!("the queue engine fails on {}: {error}", names(&instances));
        Finding::error("queue_engine", row.command.as_str(), what)
            .advice("does Redis run, and can these instances reach it?")
    };
    by_error.into_iter().map(finding).collect()
}

fn paused(row: &QueueRow) -> Option<Finding> {
    if row.paused.is_empty() {
        return None;
    }
    let what = if row.shared {
        "the queue is paused".to_owned()
    } else {
        format!("the queue is paused on {}", names(&row.paused))
    };
    let resume = format!("mesh jobs resume {}", row.command);
    Some(Finding::warning("queue_paused", row.command.as_str(), what).advice(resume))
}

fn dead(row: &QueueRow) -> Option<Finding> {
    if row.dead == 0 {
        return None;
    }
    let what = some(row.dead, "dead letter", "dead letters");
    let look = format!("look at them: mesh jobs dead {}", row.command);
    Some(Finding::warning("dead_letters", row.command.as_str(), what).advice(look))
}

/// A queue at both looks.
struct Queue<'a> {
    /// The command, and the instance if each has its own queue.
    place: String,
    /// At the first look; `None` if it was not seen then.
    before: Option<&'a QueueCounts>,
    now: &'a QueueCounts,
    /// How many instances take jobs from it.
    workers: usize,
}

/// The queues that work: shared ones once, others for each instance.
fn looked_at(snapshot: &Snapshot) -> Vec<Queue<'_>> {
    let mut queues = Vec::new();
    let mut shared = HashSet::new();
    for (node, answers) in snapshot.answered() {
        for now in &answers.queues {
            let command = format!("{}.{}", node.node_type, now.command);
            if now.error.is_some() || now.paused {
                continue;
            }
            if now.shared && !shared.insert(command.clone()) {
                continue;
            }
            // Those who take jobs from it: any of them tells what it was like.
            let is_meant = |other: &NodeSeen| {
                other.node_type == node.node_type && (now.shared || other.instance == node.instance)
            };
            queues.push(Queue {
                place: if now.shared {
                    command
                } else {
                    format!("{command} on {}", node.instance)
                },
                before: before(snapshot, now, is_meant),
                now,
                workers: workers(snapshot, is_meant),
            });
        }
    }
    queues
}

/// What one of the instances that are meant said about a queue at the first look.
fn before<'a>(
    snapshot: &'a Snapshot,
    now: &QueueCounts,
    is_meant: impl Fn(&NodeSeen) -> bool,
) -> Option<&'a QueueCounts> {
    let meant = snapshot.answered().filter(|(node, _)| is_meant(node));
    let mut before = meant.flat_map(|(_, answers)| &answers.queues_before);
    before.find(|before| {
        let same = before.command == now.command && before.shared == now.shared;
        same && before.error.is_none()
    })
}

/// How many of the instances that are meant take jobs. One that shuts down takes none.
fn workers(snapshot: &Snapshot, is_meant: impl Fn(&NodeSeen) -> bool) -> usize {
    let works = snapshot.answered().filter(|(node, answers)| {
        !node.draining && answers.health.status == HealthStatus::Ok && is_meant(node)
    });
    works.count()
}

/// A queue that grows although its jobs are old or do not run, or that stands still.
fn slow(queue: &Queue<'_>, oldest: Duration, watched: Duration) -> Option<Finding> {
    let (before, now) = (queue.before, queue.now);
    let age = now.oldest_ms.map(Duration::from_millis);
    let old = age.is_some_and(|age| age > oldest);
    let grows = before.is_some_and(|before| now.waiting > before.waiting);
    // At both looks: a job that has just come may be about to run.
    let waits = |counts: &QueueCounts| counts.waiting > 0 && counts.running == 0;
    let stands = before.is_some_and(waits) && waits(now);
    let none_works = queue.workers == 0;
    let grown = || {
        let before = count(before.map_or(0, |before| before.waiting));
        let watched = span(watched);
        format!("grew from {before} to {} in {watched}", count(now.waiting))
    };
    let aged = || {
        format!(
            "its oldest has waited for {}",
            span_ms(now.oldest_ms.unwrap_or(0))
        )
    };
    let (kind, what) = if grows && none_works {
        (
            "queue_grows",
            format!("{}, and no instance takes its jobs", grown()),
        )
    } else if grows && stands {
        ("queue_grows", format!("{}, and no job runs", grown()))
    } else if grows && old {
        ("queue_grows", format!("{}, and {}", grown(), aged()))
    } else if stands && old {
        let waiting = count(now.waiting);
        let what = format!("no job runs although {waiting} wait, and {}", aged());
        ("queue_stands", what)
    } else {
        return None;
    };
    let finding = Finding::warning(kind, queue.place.as_str(), what);
    Some(finding.advice(
        "are there enough instances, and do its jobs end? `mesh top` shows how long they take",
    ))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Severity, example},
        *,
    };

    const OLDEST: Duration = Duration::from_secs(300);

    fn one(snapshot: &Snapshot) -> Finding {
        let mut findings = find(snapshot, OLDEST);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    }

    /// A queue with these jobs, which had 10 waiting before.
    fn with(waiting: u64, running: u64, oldest_s: u64) -> Snapshot {
        let mut snapshot = example::shop();
        example::queue_before(&mut snapshot, |counts| counts.waiting = 10);
        example::queue(&mut snapshot, |counts| {
            counts.waiting = waiting;
            counts.running = running;
            counts.oldest_ms = Some(oldest_s * 1_000);
        });
        snapshot
    }

    /// Lets all instances share the queue.
    fn share(snapshot: &mut Snapshot) {
        let answers = example::answers(snapshot, "b1");
        for counts in answers.queues.iter_mut().chain(&mut answers.queues_before) {
            counts.shared = true;
        }
    }

    #[test]
    fn an_engine_that_fails_is_an_error() {
        let mut snapshot = example::shop();
        example::queue(&mut snapshot, |counts| {
            counts.error = Some("Redis is away".to_owned());
        });
        let finding = one(&snapshot);
        assert_eq!(
            (finding.kind, finding.severity),
            ("queue_engine", Severity::Error)
        );
        assert_eq!(finding.place, "Billing.export");
        assert!(finding.what.ends_with("on b1: Redis is away"));
    }

    #[test]
    fn a_paused_queue_is_a_warning() {
        let mut snapshot = with(20, 0, 400);
        example::answers(&mut snapshot, "b1").queues[0].paused = true;
        let finding = one(&snapshot);
        assert_eq!(
            (finding.kind, finding.severity),
            ("queue_paused", Severity::Warning)
        );
        assert!(finding.what.ends_with("paused on b1"));
        assert_eq!(finding.advice, "mesh jobs resume Billing.export");
    }

    #[test]
    fn dead_letters_are_a_warning_with_their_number() {
        let mut snapshot = example::shop();
        example::queue(&mut snapshot, |counts| counts.dead = 1_200);
        let finding = one(&snapshot);
        assert_eq!(
            (finding.kind, finding.severity),
            ("dead_letters", Severity::Warning)
        );
        assert_eq!(finding.what, "1,200 dead letters");
        assert!(finding.advice.ends_with("mesh jobs dead Billing.export"));
    }

    #[test]
    fn a_queue_that_grows_and_is_old_is_a_warning() {
        let finding = one(&with(12, 3, 400));
        assert_eq!(
            (finding.kind, finding.severity),
            ("queue_grows", Severity::Warning)
        );
        assert_eq!(finding.place, "Billing.export on b1");
        assert_eq!(
            finding.what,
            "grew from 10 to 12 in 2 s, and its oldest has waited for 6m 40s"
        );
        // As long as it is young or does not grow, it may be a burst.
        assert_eq!(find(&with(12, 3, 200), OLDEST), []);
        assert_eq!(find(&with(10, 3, 400), OLDEST), []);
    }

    #[test]
    fn a_queue_that_grows_without_a_running_job_is_a_warning() {
        let finding = one(&with(12, 0, 1));
        assert_eq!(finding.kind, "queue_grows");
        assert!(finding.what.ends_with("no job runs"));
        // It was not seen before, so nobody knows whether it grew.
        let mut snapshot = with(12, 0, 1);
        example::answers(&mut snapshot, "b1").queues_before.clear();
        assert_eq!(find(&snapshot, OLDEST), []);
    }

    #[test]
    fn a_queue_that_grows_without_a_worker_is_a_warning() {
        let mut snapshot = with(12, 1, 1);
        snapshot.nodes[0].draining = true;
        assert!(one(&snapshot).what.ends_with("no instance takes its jobs"));
        // Another instance does, if they share the queue.
        share(&mut snapshot);
        assert_eq!(find(&snapshot, OLDEST), []);
    }

    #[test]
    fn a_queue_that_stands_still_is_a_warning() {
        let finding = one(&with(10, 0, 400));
        assert_eq!(finding.kind, "queue_stands");
        assert!(finding.what.starts_with("no job runs although 10 wait"));
    }

    #[test]
    fn a_job_that_has_just_come_may_be_about_to_run() {
        for (waiting, running) in [(0, 0), (10, 1)] {
            let mut snapshot = with(12, 0, 400);
            example::queue_before(&mut snapshot, |counts| {
                counts.waiting = waiting;
                counts.running = running;
            });
            // It is told at most that it has grown, and is old.
            let findings = find(&snapshot, OLDEST);
            assert!(
                !findings.iter().any(|found| found.what.contains("no job")),
                "{findings:?}"
            );
        }
    }

    #[test]
    fn any_instance_tells_what_a_shared_queue_was_like() {
        let mut snapshot = with(12, 0, 1);
        share(&mut snapshot);
        // b1 was not there at the first look, b2 was.
        let first = &mut example::answers(&mut snapshot, "b1").queues_before;
        let before = std::mem::take(first);
        example::answers(&mut snapshot, "b2").queues_before = before;
        let finding = one(&snapshot);
        assert_eq!(
            (finding.kind, finding.place.as_str()),
            ("queue_grows", "Billing.export")
        );
    }
}
