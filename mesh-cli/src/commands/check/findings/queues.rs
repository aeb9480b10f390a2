//! Queues that grow or stand still, that are paused, that have dead letters, and whose engine fails.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use mesh_runtime::operator::HealthStatus;

use super::{Finding, names};
use crate::{
    commands::{
        check::snapshot::Snapshot,
        jobs::counts::{QueueRow, Reported, merge},
    },
    output::{count, span, span_ms},
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
        for counted in &answers.queues {
            reported.push(Reported {
                node_type: node.node_type.clone(),
                instance: node.instance.clone(),
                counted: counted.clone(),
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
    let letters = if row.dead == 1 { "letter" } else { "letters" };
    let what = format!("{} dead {letters}", count(row.dead));
    let look = format!("look at them: mesh jobs dead {}", row.command);
    Some(Finding::warning("dead_letters", row.command.as_str(), what).advice(look))
}

/// A queue at both looks.
struct Queue {
    /// The command, and the instance if each has its own queue.
    place: String,
    /// At the first look; `None` if it was not seen then.
    before: Option<u64>,
    waiting: u64,
    running: u64,
    oldest_ms: Option<u64>,
    /// How many instances take jobs from it.
    workers: usize,
}

/// The queues that work: shared ones once, others for each instance.
fn looked_at(snapshot: &Snapshot) -> Vec<Queue> {
    let mut queues = Vec::new();
    let mut shared = HashSet::new();
    for (node, answers) in snapshot.answered() {
        for counted in &answers.queues {
            let counts = &counted.counts;
            let command = format!("{}.{}", node.node_type, counts.command);
            if counts.error.is_some() || counts.paused {
                continue;
            }
            if counts.shared && !shared.insert(command.clone()) {
                continue;
            }
            let mut before = answers.queues_before.iter();
            let before = before.find(|before| before.command == counts.command);
            let before = before.filter(|before| before.error.is_none());
            queues.push(Queue {
                place: if counts.shared {
                    command
                } else {
                    format!("{command} on {}", node.instance)
                },
                before: before.map(|before| before.waiting),
                waiting: counts.waiting,
                running: counts.running,
                oldest_ms: counts.oldest_ms,
                workers: workers(snapshot, |other| {
                    other.0 == node.node_type && (counts.shared || other.1 == node.instance)
                }),
            });
        }
    }
    queues
}

/// How many of the instances that are meant take jobs. One that shuts down takes none.
fn workers(snapshot: &Snapshot, is_meant: impl Fn((&str, &str)) -> bool) -> usize {
    let works = snapshot.answered().filter(|(node, answers)| {
        let status = answers.health.status;
        !node.draining
            && status == HealthStatus::Ok
            && is_meant((node.node_type.as_str(), node.instance.as_str()))
    });
    works.count()
}

/// A queue that grows although its jobs are old or do not run, or that stands still.
fn slow(queue: &Queue, oldest: Duration, watched: Duration) -> Option<Finding> {
    let age = queue.oldest_ms.map(Duration::from_millis);
    let old = age.is_some_and(|age| age > oldest);
    let grows = queue.before.is_some_and(|before| queue.waiting > before);
    let stands = queue.running == 0;
    let none_works = queue.workers == 0;
    let grown = || {
        let before = count(queue.before.unwrap_or_default());
        let watched = span(watched);
        format!(
            "grew from {before} to {} in {watched}",
            count(queue.waiting)
        )
    };
    let aged = || {
        format!(
            "its oldest has waited for {}",
            span_ms(queue.oldest_ms.unwrap_or(0))
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
    } else if queue.waiting > 0 && stands && old {
        let waiting = count(queue.waiting);
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
        example::answers(&mut snapshot, "b1").queues[0]
            .counts
            .paused = true;
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
        for counted in &mut example::answers(&mut snapshot, "b1").queues {
            counted.counts.shared = true;
        }
        assert_eq!(find(&snapshot, OLDEST), []);
    }

    #[test]
    fn a_queue_that_stands_still_is_a_warning() {
        let finding = one(&with(10, 0, 400));
        assert_eq!(finding.kind, "queue_stands");
        assert!(finding.what.starts_with("no job runs although 10 wait"));
    }
}
