//! Chooses the instance that gets a balanced call. Pure: it knows the linked instances, but not how they are called.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    id::InstanceId,
    rendezvous::{Hashed, weight},
};

/// How a node spreads its balanced calls over the instances of a node type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Balance {
    /// Each instance in turn, counted separately for each command. While membership is stable and no call fails over,
    /// the numbers of calls that the instances get differ by at most one.
    #[default]
    RoundRobin,
    /// Of two instances chosen at random, the one with fewer calls of this node in flight.
    LeastInFlight,
    /// Any instance.
    Random,
}

/// What the choice needs to know of an instance.
pub(crate) trait Candidate {
    fn instance(&self) -> &InstanceId;
    /// [`Hashed::instance`] of it.
    fn hashed(&self) -> Hashed;
    fn load(&self) -> usize;
}

/// How one call is to be placed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Placing<'a> {
    Policy(Balance),
    /// Calls with equal keys go to the same instance.
    Key(&'a [u8]),
    To(&'a InstanceId),
}

/// Chooses among the candidates for which `usable` returns true. `cursor` is the round-robin position of the command.
pub(crate) fn pick<'a, C: Candidate>(
    placing: Placing<'_>,
    cursor: &AtomicUsize,
    candidates: &'a [C],
    usable: impl Fn(&C) -> bool,
) -> Option<&'a C> {
    if candidates.is_empty() {
        return None;
    }
    match placing {
        Placing::To(instance) => candidates
            .iter()
            .find(|candidate| candidate.instance() == instance && usable(candidate)),
        Placing::Key(key) => {
            let key = Hashed::key(key);
            // Of equal weights the greater id decides.
            candidates
                .iter()
                .filter(|candidate| usable(candidate))
                .max_by_key(|candidate| (weight(key, candidate.hashed()), candidate.instance()))
        }
        Placing::Policy(Balance::RoundRobin) => {
            next_from(cursor.fetch_add(1, Ordering::Relaxed), candidates, usable)
        }
        Placing::Policy(Balance::Random) => {
            next_from(rand::random::<u32>() as usize, candidates, usable)
        }
        Placing::Policy(Balance::LeastInFlight) => {
            let one = next_from(rand::random::<u32>() as usize, candidates, &usable);
            let two = next_from(rand::random::<u32>() as usize, candidates, &usable);
            [one, two]
                .into_iter()
                .flatten()
                .min_by_key(|candidate| candidate.load())
        }
    }
}

fn next_from<C>(start: usize, candidates: &[C], usable: impl Fn(&C) -> bool) -> Option<&C> {
    let start = start % candidates.len();
    let (before, after) = candidates.split_at(start);
    after
        .iter()
        .chain(before)
        .find(|candidate| usable(candidate))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::{
        collection::{hash_set, vec},
        prelude::*,
        sample::Index,
    };

    use super::*;

    struct Instance(InstanceId, usize);

    impl Candidate for Instance {
        fn instance(&self) -> &InstanceId {
            &self.0
        }

        fn hashed(&self) -> Hashed {
            Hashed::instance(&self.0)
        }

        fn load(&self) -> usize {
            self.1
        }
    }

    fn instances(names: &[&str]) -> Vec<Instance> {
        names
            .iter()
            .enumerate()
            .map(|(load, name)| Instance((*name).into(), load))
            .collect()
    }

    fn name(picked: Option<&Instance>) -> &str {
        picked.map_or("none", |instance| instance.0.as_str())
    }

    #[test]
    fn round_robin_differs_by_at_most_one() {
        let (cursor, candidates) = (AtomicUsize::new(0), instances(&["a", "b", "c"]));
        let mut counts = HashMap::new();
        for _ in 0..100 {
            let picked = pick(
                Placing::Policy(Balance::RoundRobin),
                &cursor,
                &candidates,
                |_| true,
            );
            *counts.entry(name(picked)).or_insert(0) += 1;
        }
        let counts: Vec<_> = counts.into_values().collect();
        assert_eq!(counts.iter().sum::<i32>(), 100);
        assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
    }

    proptest! {
        #[test]
        fn when_an_instance_leaves_only_its_keys_move(
            ids in hash_set(".{1,20}", 2..20),
            keys in vec(vec(any::<u8>(), 0..40), 1..50),
            leaving in any::<Index>(),
        ) {
            let cursor = AtomicUsize::new(0);
            let all: Vec<_> = ids.iter().map(|id| Instance(id.as_str().into(), 0)).collect();
            let leaving = &leaving.get(&all).0;
            let mut in_another_order: Vec<_> = ids.iter().map(|id| Instance(id.as_str().into(), 0)).collect();
            in_another_order.sort_by(|a, b| b.0.cmp(&a.0));
            for key in &keys {
                let key = Placing::Key(key);
                let before = name(pick(key, &cursor, &all, |_| true));
                let after = name(pick(key, &cursor, &all, |c| c.0 != *leaving));
                if before == leaving.as_str() {
                    prop_assert_ne!(after, before);
                } else {
                    prop_assert_eq!(after, before);
                }
                prop_assert_eq!(name(pick(key, &cursor, &in_another_order, |_| true)), before);
            }
        }
    }

    #[test]
    fn of_two_the_less_busy_gets_the_call_more_often() {
        let (cursor, candidates) = (AtomicUsize::new(0), instances(&["idle", "busy"]));
        let policy = Placing::Policy(Balance::LeastInFlight);
        let idle = (0..400)
            .filter(|_| name(pick(policy, &cursor, &candidates, |_| true)) == "idle")
            .count();
        assert!(idle > 200, "{idle} of 400");
    }

    #[test]
    fn only_usable_candidates_are_picked_whatever_the_policy() {
        let (cursor, candidates) = (AtomicUsize::new(0), instances(&["a", "b"]));
        for placing in [
            Placing::Policy(Balance::RoundRobin),
            Placing::Policy(Balance::LeastInFlight),
            Placing::Policy(Balance::Random),
            Placing::Key(b"key"),
        ] {
            for _ in 0..20 {
                assert_eq!(
                    name(pick(placing, &cursor, &candidates, |c| c.0 == "b")),
                    "b"
                );
            }
        }
        assert_eq!(
            name(pick(Placing::To(&"a".into()), &cursor, &candidates, |_| {
                true
            })),
            "a"
        );
        assert_eq!(
            name(pick(Placing::To(&"x".into()), &cursor, &candidates, |_| {
                true
            })),
            "none"
        );
    }
}
