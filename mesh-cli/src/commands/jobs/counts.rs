//! How full queues are: what each instance says, and the same for each queue of the mesh.

use std::collections::BTreeMap;

use mesh_runtime::operator::{JobsIn, Operator, OperatorError, QueueCounts};
use serde::Serialize;

/// What an instance says about one of its queues.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) counts: QueueCounts,
    /// The oldest dead letter, of a command whose instances may or may not share their dead letters: they do in a
    /// durable engine, and then all have the same one.
    pub(crate) first_dead: Option<String>,
}

/// An instance, and what it says about one of its queues.
#[derive(Debug, Clone)]
pub(crate) struct Reported {
    pub(crate) node_type: String,
    pub(crate) instance: String,
    pub(crate) counted: Counted,
}

/// One queue of the mesh, or the queues that the instances have for one command, taken together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct QueueRow {
    /// As in `Billing.export`.
    pub(crate) command: String,
    pub(crate) waiting: u64,
    pub(crate) delayed: u64,
    pub(crate) running: u64,
    pub(crate) dead: u64,
    /// How long the oldest of the waiting jobs has waited.
    pub(crate) oldest_ms: Option<u64>,
    /// Whether all instances share the queue.
    pub(crate) shared: bool,
    /// The instances that answered.
    pub(crate) instances: Vec<String>,
    /// Those whose queue is paused. Of a shared queue: all that say so.
    pub(crate) paused: Vec<String>,
    /// Those whose engine failed, and how.
    pub(crate) failed: Vec<Failed>,
}

/// An instance whose engine could not tell how full a queue is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failed {
    pub(crate) instance: String,
    pub(crate) error: String,
}

/// Asks a node how full its queues are.
pub(crate) async fn counted(operator: &Operator) -> Result<Vec<Counted>, OperatorError> {
    let mut counted = Vec::new();
    for counts in operator.stats().await?.queues {
        let first_dead = if counts.of_instance && counts.dead > 0 {
            first_dead(operator, &counts.command).await
        } else {
            None
        };
        counted.push(Counted { counts, first_dead });
    }
    Ok(counted)
}

/// The oldest dead letter; `None` if there is none, or if this connection may not see it.
async fn first_dead(operator: &Operator, command: &str) -> Option<String> {
    let letters = operator.queue(command).list(JobsIn::Dead, 1).await.ok()?;
    letters.into_iter().next().map(|letter| letter.job)
}

/// Takes together what belongs to one command, in the order of the names.
pub(crate) fn merge(reported: Vec<Reported>) -> Vec<QueueRow> {
    let mut commands: BTreeMap<String, Vec<Reported>> = BTreeMap::new();
    for one in reported {
        let command = format!("{}.{}", one.node_type, one.counted.counts.command);
        commands.entry(command).or_default().push(one);
    }
    commands
        .into_iter()
        .map(|(command, reported)| row(command, &reported))
        .collect()
}

fn row(command: String, reported: &[Reported]) -> QueueRow {
    let (failed, fine): (Vec<_>, Vec<_>) = reported
        .iter()
        .partition(|one| one.counted.counts.error.is_some());
    let shared = reported.iter().any(|one| one.counted.counts.shared);
    // All that share a queue say the same.
    let each = if shared {
        &fine[..fine.len().min(1)]
    } else {
        &fine[..]
    };
    let sum = |of: fn(&QueueCounts) -> u64| -> u64 {
        each.iter().map(|one| of(&one.counted.counts)).sum()
    };
    let paused = fine.iter().filter(|one| one.counted.counts.paused);
    QueueRow {
        command,
        waiting: sum(|counts| counts.waiting),
        delayed: sum(|counts| counts.delayed),
        running: sum(|counts| counts.running),
        dead: dead(each),
        oldest_ms: each
            .iter()
            .filter_map(|one| one.counted.counts.oldest_ms)
            .max(),
        shared,
        instances: reported.iter().map(|one| one.instance.clone()).collect(),
        paused: paused.map(|one| one.instance.clone()).collect(),
        failed: failed
            .into_iter()
            .map(|one| Failed {
                instance: one.instance.clone(),
                error: one.counted.counts.error.clone().unwrap_or_default(),
            })
            .collect(),
    }
}

/// How many dead letters there are. Instances with the same oldest one share all of them.
fn dead(reported: &[&Reported]) -> u64 {
    let mut shared: BTreeMap<&str, u64> = BTreeMap::new();
    let mut own = 0;
    for counted in reported.iter().map(|one| &one.counted) {
        match &counted.first_dead {
            Some(first) => {
                let most = shared.entry(first.as_str()).or_default();
                *most = (*most).max(counted.counts.dead);
            }
            None => own += counted.counts.dead,
        }
    }
    own + shared.values().sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(instance: &str, change: impl FnOnce(&mut Counted)) -> Reported {
        let mut counted = Counted {
            counts: QueueCounts::default(),
            first_dead: None,
        };
        counted.counts.command = "export".to_owned();
        change(&mut counted);
        Reported {
            node_type: "Billing".to_owned(),
            instance: instance.to_owned(),
            counted,
        }
    }

    #[test]
    fn a_shared_queue_counts_once() {
        let one = |counted: &mut Counted| {
            counted.counts.shared = true;
            counted.counts.waiting = 7;
            counted.counts.dead = 2;
            counted.counts.paused = true;
        };
        let rows = merge(vec![reported("b1", one), reported("b2", one)]);
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!(row.command, "Billing.export");
        assert!(row.shared);
        assert_eq!((row.waiting, row.dead), (7, 2));
        assert_eq!(row.instances, ["b1", "b2"]);
        assert_eq!(row.paused, ["b1", "b2"]);
    }

    #[test]
    fn queues_of_instances_are_summed() {
        let rows = merge(vec![
            reported("b1", |counted| {
                counted.counts.waiting = 1;
                counted.counts.running = 2;
                counted.counts.oldest_ms = Some(10);
            }),
            reported("b2", |counted| {
                counted.counts.waiting = 3;
                counted.counts.oldest_ms = Some(20);
                counted.counts.paused = true;
            }),
        ]);
        let row = &rows[0];
        assert_eq!((row.waiting, row.running), (4, 2));
        assert_eq!(row.oldest_ms, Some(20));
        assert_eq!(row.paused, ["b2"]);
        assert!(!row.shared);
    }

    #[test]
    fn an_engine_that_fails_is_not_counted() {
        let fine = |counted: &mut Counted| {
            counted.counts.shared = true;
            counted.counts.waiting = 7;
        };
        let broken = |counted: &mut Counted| {
            counted.counts.shared = true;
            counted.counts.error = Some("Redis is away".to_owned());
        };
        let rows = merge(vec![reported("b1", broken), reported("b2", fine)]);
        assert_eq!(rows[0].waiting, 7);
        assert_eq!(rows[0].failed[0].instance, "b1");
        assert_eq!(rows[0].failed[0].error, "Redis is away");
    }

    #[test]
    fn dead_letters_that_instances_share_count_once() {
        let dead = |first: &'static str, number| {
            move |counted: &mut Counted| {
                counted.counts.dead = number;
                counted.first_dead = Some(first.to_owned());
            }
        };
        let of = |reported| merge(reported)[0].dead;
        let shared = vec![reported("b1", dead("x", 3)), reported("b2", dead("x", 3))];
        assert_eq!(of(shared), 3);
        let own = vec![reported("b1", dead("x", 3)), reported("b2", dead("y", 3))];
        assert_eq!(of(own), 6);
        let unseen = |counted: &mut Counted| counted.counts.dead = 2;
        assert_eq!(of(vec![reported("b1", unseen), reported("b2", unseen)]), 4);
    }
}
