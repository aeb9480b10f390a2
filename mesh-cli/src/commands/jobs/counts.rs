//! How full queues are: what each instance says, and the same for each queue of the mesh.

use std::collections::BTreeMap;

use mesh_runtime::operator::QueueCounts;
use serde::Serialize;

/// An instance, and what it says about one of its queues.
#[derive(Debug, Clone)]
pub(crate) struct Reported {
    pub(crate) node_type: String,
    pub(crate) instance: String,
    pub(crate) counts: QueueCounts,
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

/// Takes together what belongs to one command, in the order of the names.
pub(crate) fn merge(reported: Vec<Reported>) -> Vec<QueueRow> {
    let mut commands: BTreeMap<String, Vec<Reported>> = BTreeMap::new();
    for one in reported {
        let command = format!("{}.{}", one.node_type, one.counts.command);
        commands.entry(command).or_default().push(one);
    }
    commands
        .into_iter()
        .map(|(command, reported)| row(command, &reported))
        .collect()
}

fn row(command: String, reported: &[Reported]) -> QueueRow {
    let (failed, fine): (Vec<_>, Vec<_>) =
        reported.iter().partition(|one| one.counts.error.is_some());
    let shared = reported.iter().any(|one| one.counts.shared);
    // All that share a queue say the same.
    let each = if shared {
        &fine[..fine.len().min(1)]
    } else {
        &fine[..]
    };
    let sum = |of: fn(&QueueCounts) -> u64| sum(each.iter().map(|one| of(&one.counts)));
    let paused = fine.iter().filter(|one| one.counts.paused);
    QueueRow {
        command,
        waiting: sum(|counts| counts.waiting),
        delayed: sum(|counts| counts.delayed),
        running: sum(|counts| counts.running),
        dead: dead(each),
        oldest_ms: each.iter().filter_map(|one| one.counts.oldest_ms).max(),
        shared,
        instances: reported.iter().map(|one| one.instance.clone()).collect(),
        paused: paused.map(|one| one.instance.clone()).collect(),
        failed: failed
            .into_iter()
            .map(|one| Failed {
                instance: one.instance.clone(),
                error: one.counts.error.clone().unwrap_or_default(),
            })
            .collect(),
    }
}

/// How many dead letters there are. Those of all instances count once.
fn dead(reported: &[&Reported]) -> u64 {
    let counts = reported.iter().map(|one| &one.counts);
    let (of_all, own): (Vec<_>, Vec<_>) = counts.partition(|counts| counts.dead_shared);
    let of_all = of_all.into_iter().map(|counts| counts.dead).max();
    sum(own.into_iter().map(|counts| counts.dead).chain(of_all))
}

/// Others tell the numbers, so they may be anything.
fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(instance: &str, change: impl FnOnce(&mut QueueCounts)) -> Reported {
        let mut counts = QueueCounts::default();
        counts.command = "export".to_owned();
        change(&mut counts);
        Reported {
            node_type: "Billing".to_owned(),
            instance: instance.to_owned(),
            counts,
        }
    }

    #[test]
    fn a_shared_queue_counts_once() {
        let one = |counts: &mut QueueCounts| {
            counts.shared = true;
            counts.waiting = 7;
            counts.dead = 2;
            counts.paused = true;
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
            reported("b1", |counts| {
                counts.waiting = 1;
                counts.running = 2;
                counts.oldest_ms = Some(10);
            }),
            reported("b2", |counts| {
                counts.waiting = 3;
                counts.oldest_ms = Some(20);
                counts.paused = true;
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
        let fine = |counts: &mut QueueCounts| {
            counts.shared = true;
            counts.waiting = 7;
        };
        let broken = |counts: &mut QueueCounts| {
            counts.shared = true;
            counts.error = Some("Redis is away".to_owned());
        };
        let rows = merge(vec![reported("b1", broken), reported("b2", fine)]);
        assert_eq!(rows[0].waiting, 7);
        assert_eq!(rows[0].failed[0].instance, "b1");
        assert_eq!(rows[0].failed[0].error, "Redis is away");
    }

    #[test]
    fn dead_letters_that_instances_share_count_once() {
        let dead = |dead_shared, dead| {
            move |counts: &mut QueueCounts| {
                counts.dead_shared = dead_shared;
                counts.dead = dead;
            }
        };
        let of = |reported| merge(reported)[0].dead;
        let shared = vec![reported("b1", dead(true, 3)), reported("b2", dead(true, 4))];
        assert_eq!(of(shared), 4);
        let own = vec![
            reported("b1", dead(false, 3)),
            reported("b2", dead(false, 4)),
        ];
        assert_eq!(of(own), 7);
        let both = vec![
            reported("b1", dead(true, 3)),
            reported("b2", dead(false, 4)),
        ];
        assert_eq!(of(both), 7);
    }

    #[test]
    fn numbers_that_nobody_can_have_do_no_harm() {
        let most = |counts: &mut QueueCounts| counts.waiting = u64::MAX;
        let rows = merge(vec![reported("b1", most), reported("b2", most)]);
        assert_eq!(rows[0].waiting, u64::MAX);
    }
}
