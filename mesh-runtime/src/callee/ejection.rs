//! Which instances of a node type rest, because call after call to them failed. Pure.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::id::InstanceId;

/// An instance rests after this many failures in a row.
pub(super) const MAX_FAILURES: u32 = 5;
/// How long an instance rests the first time.
pub(super) const FIRST_REST: Duration = Duration::from_secs(5);
/// How long it rests at most.
const MAX_REST: Duration = Duration::from_secs(60);
/// How long after a call that may decide over the end of a rest another one may, if nothing was decided.
const PROBE: Duration = Duration::from_secs(5);
/// How long an instance without a link is remembered.
const REMEMBERED: Duration = Duration::from_secs(120);
/// How many instances without a link are remembered.
const MAX_ABSENT: usize = 1024;

/// What is known of the instances: of those that are linked, and for a while of those that were.
#[derive(Default)]
pub(super) struct Ejection {
    known: HashMap<InstanceId, Known>,
}

struct Known {
    /// Calls that failed since the last one that did not. Counted without a lock.
    failures: Arc<AtomicU32>,
    rest: Option<Rest>,
    /// Since when there is no link to it.
    absent_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    length: Duration,
    until: Instant,
    /// From when on the next call may decide whether the rest is over.
    probe_at: Instant,
}

/// A call that may decide whether a rest is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    /// The end of that rest, by which it is told from later ones.
    of: Instant,
}

impl Ejection {
    /// The instances that are linked now. Returns those that no longer rest: because more than half of the linked ones
    /// would, the ones whose rest is over first; or because they are forgotten.
    pub(super) fn set_linked<'a>(
        &mut self,
        linked: impl Iterator<Item = &'a InstanceId>,
        now: Instant,
    ) -> Vec<InstanceId> {
        for known in self.known.values_mut() {
            known.absent_since.get_or_insert(now);
        }
        for instance in linked {
            match self.known.get_mut(instance) {
                Some(known) => known.absent_since = None,
                None => drop(self.known.insert(instance.clone(), Known::new())),
            }
        }
        let mut released = self.forget_absent(now);
        released.append(&mut self.release_beyond_half());
        released
    }

    /// Returns those that rested.
    fn forget_absent(&mut self, now: Instant) -> Vec<InstanceId> {
        let (mut absent, mut rested) = (0, Vec::new());
        self.known.retain(|instance, known| {
            let Some(since) = known.absent_since else {
                return true;
            };
            absent += 1;
            // Also one without failures: its calls may be about to hear that the link is lost.
            let keep = now < since + REMEMBERED && absent <= MAX_ABSENT;
            if !keep && known.rest.is_some() {
                rested.push(instance.clone());
            }
            keep
        });
        rested
    }

    fn release_beyond_half(&mut self) -> Vec<InstanceId> {
        let mut resting: Vec<_> = self
            .linked()
            .filter_map(|(instance, known)| Some((known.rest?.until, instance.clone())))
            .collect();
        let allowed = self.linked().count() / 2;
        let beyond = resting.len().saturating_sub(allowed);
        resting.sort_unstable();
        resting.truncate(beyond);
        let released: Vec<_> = resting.into_iter().map(|(_, instance)| instance).collect();
        for instance in &released {
            self.end_rest(instance);
        }
        released
    }

    fn linked(&self) -> impl Iterator<Item = (&InstanceId, &Known)> {
        let linked = |known: &Known| known.absent_since.is_none();
        self.known.iter().filter(move |(_, known)| linked(known))
    }

    /// The failures in a row of a linked instance.
    pub(super) fn failures(&self, instance: &InstanceId) -> Arc<AtomicU32> {
        let known = self.known.get(instance);
        known.map_or_else(Arc::default, |known| Arc::clone(&known.failures))
    }

    /// Lets an instance rest that has failed [`MAX_FAILURES`] times in a row, unless it rests already, or more than
    /// half of the linked ones would. It may have lost its link just now, so it counts as linked. Returns for how long.
    pub(super) fn rest(&mut self, instance: &InstanceId, now: Instant) -> Option<Duration> {
        let others = self.linked().filter(|(id, _)| *id != instance);
        let (linked, resting) = others.fold((1, 1), |(linked, resting), (_, known)| {
            (linked + 1, resting + usize::from(known.rest.is_some()))
        });
        let known = self.known.get_mut(instance)?;
        if resting > linked / 2
            || known.rest.is_some()
            || known.failures.load(Ordering::Relaxed) < MAX_FAILURES
        {
            return None;
        }
        known.rest = Some(Rest::new(FIRST_REST, now));
        Some(FIRST_REST)
    }

    /// How long an instance still rests. Zero if the next call to it decides.
    pub(super) fn rests_for(&self, instance: &InstanceId, now: Instant) -> Option<Duration> {
        let rest = self.known.get(instance)?.rest?;
        Some(rest.until.saturating_duration_since(now))
    }

    /// Whether a rest is over and the next call may decide about it.
    pub(super) fn is_due(&self, instance: &InstanceId, now: Instant) -> bool {
        let rest = self.known.get(instance).and_then(|known| known.rest);
        rest.is_some_and(|rest| rest.probe_at <= now)
    }

    /// When the next call may decide about a linked instance about which none may yet.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let rests = self.linked().filter_map(|(_, known)| known.rest);
        rests
            .map(|rest| rest.probe_at)
            .filter(|probe_at| *probe_at > now)
            .min()
    }

    /// A call begins that may decide whether the rest is over. `None` if the instance does not rest.
    pub(super) fn begin_probe(&mut self, instance: &InstanceId, now: Instant) -> Option<Probe> {
        let rest = self.known.get_mut(instance)?.rest.as_mut()?;
        rest.probe_at = now + PROBE;
        Some(Probe { of: rest.until })
    }

    /// That call has failed. Returns how long the instance now rests. `None` if another call has decided before.
    pub(super) fn rest_longer(
        &mut self,
        instance: &InstanceId,
        probe: Probe,
        now: Instant,
    ) -> Option<Duration> {
        let rest = self.known.get_mut(instance)?.rest.as_mut();
        let rest = rest.filter(|rest| rest.until == probe.of)?;
        *rest = Rest::new((rest.length * 2).min(MAX_REST), now);
        Some(rest.length)
    }

    /// A call to the instance has succeeded. Returns whether it is back from a rest that was over.
    pub(super) fn succeeded(&mut self, instance: &InstanceId, now: Instant) -> bool {
        let Some(known) = self.known.get(instance) else {
            return false;
        };
        match known.rest {
            Some(rest) if rest.until > now => false,
            Some(_) => self.end_rest(instance),
            None => {
                known.failures.store(0, Ordering::Relaxed);
                false
            }
        }
    }

    /// Returns false if the instance does not rest.
    fn end_rest(&mut self, instance: &InstanceId) -> bool {
        let Some(known) = self.known.get_mut(instance) else {
            return false;
        };
        known.failures.store(0, Ordering::Relaxed);
        known.rest.take().is_some()
    }
}

impl Known {
    fn new() -> Self {
        Self {
            failures: Arc::default(),
            rest: None,
            absent_since: None,
        }
    }
}

impl Rest {
    fn new(length: Duration, now: Instant) -> Self {
        let until = now + length;
        Self {
            length,
            until,
            probe_at: until,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ids(count: usize) -> Vec<InstanceId> {
        (0..count)
            .map(|number| format!("i{number}").into())
            .collect()
    }

    fn linked(count: usize, now: Instant) -> (Ejection, Vec<InstanceId>) {
        let (mut ejection, ids) = (Ejection::default(), ids(count));
        assert!(ejection.set_linked(ids.iter(), now).is_empty());
        (ejection, ids)
    }

    fn fail(ejection: &mut Ejection, instance: &InstanceId, now: Instant) -> Option<Duration> {
        ejection.failures(instance).fetch_add(1, Ordering::Relaxed);
        ejection.rest(instance, now)
    }

    fn fail_often(
        ejection: &mut Ejection,
        instance: &InstanceId,
        now: Instant,
    ) -> Option<Duration> {
        (0..MAX_FAILURES).find_map(|_| fail(ejection, instance, now))
    }

    #[test]
    fn the_fifth_failure_in_a_row_makes_it_rest() {
        let now = Instant::now();
        let (mut ejection, ids) = linked(2, now);
        for _ in 1..MAX_FAILURES {
            assert_eq!(fail(&mut ejection, &ids[0], now), None);
        }
        ejection.failures(&ids[0]).store(0, Ordering::Relaxed);
        for _ in 1..MAX_FAILURES {
            assert_eq!(fail(&mut ejection, &ids[0], now), None);
        }
        assert_eq!(fail(&mut ejection, &ids[0], now), Some(FIRST_REST));
        assert_eq!(fail(&mut ejection, &ids[0], now), None, "it rests already");
    }

    #[test]
    fn never_more_than_half_of_them_rest() {
        let now = Instant::now();
        for (count, resting) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)] {
            let (mut ejection, ids) = linked(count, now);
            let rest = ids
                .iter()
                .filter(|id| fail_often(&mut ejection, id, now).is_some());
            assert_eq!(rest.count(), resting, "of {count}");
        }
    }

    #[test]
    fn when_others_leave_the_one_whose_rest_is_over_first_is_back() {
        let now = Instant::now();
        let (mut ejection, ids) = linked(4, now);
        fail_often(&mut ejection, &ids[0], now);
        fail_often(&mut ejection, &ids[1], now + SECOND);
        assert_eq!(
            ejection.set_linked(ids[..3].iter(), now + SECOND),
            [ids[0].clone()]
        );
        assert_eq!(ejection.rests_for(&ids[0], now), None);
        assert!(ejection.rests_for(&ids[1], now).is_some());
    }

    #[test]
    fn after_the_rest_one_call_decides() {
        let start = Instant::now();
        let (mut ejection, ids) = linked(3, start);
        let id = &ids[1];
        fail_often(&mut ejection, id, start);
        let mut now = start;
        for expected in [10, 20, 40, 60, 60] {
            let rest = ejection.rests_for(id, now).unwrap();
            assert!(!ejection.is_due(id, now + rest - SECOND / 1000));
            assert_eq!(ejection.next_due(now), Some(now + rest));
            now += rest;
            assert!(ejection.is_due(id, now));
            let probe = ejection.begin_probe(id, now).unwrap();
            assert!(!ejection.is_due(id, now), "one call at a time");
            let longer = ejection.rest_longer(id, probe, now);
            assert_eq!(longer, Some(SECOND * expected));
        }
        now += MAX_REST;
        assert!(ejection.succeeded(id, now));
        assert!(!ejection.succeeded(id, now));
        assert_eq!(fail(&mut ejection, id, now), None, "it begins anew");
        assert_eq!(fail_often(&mut ejection, id, now), Some(FIRST_REST));
    }

    #[test]
    fn if_a_call_decides_nothing_another_one_may_five_seconds_later() {
        let mut now = Instant::now();
        let (mut ejection, ids) = linked(3, now);
        let id = &ids[1];
        fail_often(&mut ejection, id, now);
        now += FIRST_REST;
        let slow = ejection.begin_probe(id, now).unwrap();
        assert_eq!(ejection.next_due(now), Some(now + PROBE));
        now += PROBE;
        assert!(ejection.is_due(id, now));
        let probe = ejection.begin_probe(id, now).unwrap();
        let longer = ejection.rest_longer(id, probe, now);
        assert_eq!(longer, Some(2 * FIRST_REST));
        // The first one ends when the second one has decided.
        for later in [now, now + 2 * FIRST_REST] {
            assert_eq!(ejection.rest_longer(id, slow, later), None);
        }
        assert!(!ejection.succeeded(id, now), "it rests anew");
    }

    #[test]
    fn any_success_ends_a_rest_that_is_over_and_none_before() {
        let now = Instant::now();
        let (mut ejection, ids) = linked(3, now);
        let id = &ids[1];
        fail_often(&mut ejection, id, now);
        assert!(!ejection.succeeded(id, now + FIRST_REST - SECOND));
        assert!(ejection.rests_for(id, now).is_some());
        assert!(ejection.succeeded(id, now + FIRST_REST));
        assert_eq!(ejection.rests_for(id, now), None);
    }

    #[test]
    fn who_comes_back_under_the_same_id_goes_on_resting_and_is_forgotten_after_a_while() {
        let now = Instant::now();
        let (mut ejection, ids) = linked(3, now);
        fail_often(&mut ejection, &ids[0], now);
        ejection.set_linked(ids[1..].iter(), now);
        assert_eq!(ejection.next_due(now), None, "it is not linked");
        ejection.set_linked(ids.iter(), now + SECOND);
        assert!(ejection.rests_for(&ids[0], now).is_some());
        assert_eq!(ejection.next_due(now), Some(now + FIRST_REST));
        ejection.set_linked(ids[1..].iter(), now + SECOND);
        let released = ejection.set_linked(ids[1..].iter(), now + SECOND + REMEMBERED);
        assert_eq!(released, ids[..1]);
        assert_eq!(ejection.known.len(), 2);
    }

    #[test]
    fn those_who_fail_once_and_leave_are_remembered_up_to_a_bound() {
        let now = Instant::now();
        let mut ejection = Ejection::default();
        for id in ids(MAX_ABSENT + 100) {
            ejection.set_linked([&id].into_iter(), now);
            fail(&mut ejection, &id, now);
        }
        ejection.set_linked([].into_iter(), now);
        assert_eq!(ejection.known.len(), MAX_ABSENT);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Call { instance: usize, fails: bool },
        Wait { ms: u64 },
        Link { mask: u8 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..8_usize, any::<bool>()).prop_map(|(instance, fails)| Step::Call { instance, fails }),
            1 => (0..20_000_u64).prop_map(|ms| Step::Wait { ms }),
            1 => any::<u8>().prop_map(|mask| Step::Link { mask }),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_only_who_failed_rests_and_at_most_half(steps in vec(step(), 1..300), healthy in 0..8_usize) {
            let ids = ids(8);
            let mut now = Instant::now();
            let mut ejection = Ejection::default();
            let mut there = vec![true; 8];
            ejection.set_linked(ids.iter(), now);
            let mut in_a_row = [0; 8];
            for step in steps {
                match step {
                    Step::Call { instance, fails } if there[instance] => {
                        let id = &ids[instance];
                        let fails = fails && instance != healthy;
                        let was_due = ejection.is_due(id, now);
                        match (fails, was_due) {
                            (true, true) => {
                                let probe = ejection.begin_probe(id, now).unwrap();
                                ejection.rest_longer(id, probe, now);
                            }
                            (true, false) => {
                                in_a_row[instance] += 1;
                                let rests = fail(&mut ejection, id, now).is_some();
                                prop_assert!(!rests || in_a_row[instance] >= MAX_FAILURES);
                            }
                            (false, _) => drop(ejection.succeeded(id, now)),
                        }
                        if !fails {
                            in_a_row[instance] = 0;
                        }
                    }
                    Step::Call { .. } => {}
                    Step::Wait { ms } => now += Duration::from_millis(ms),
                    Step::Link { mask } => {
                        there = (0..8).map(|bit| mask & (1 << bit) != 0).collect();
                        let linked = ids.iter().zip(&there).filter(|(_, there)| **there);
                        ejection.set_linked(linked.map(|(id, _)| id), now);
                    }
                }
                let linked = there.iter().filter(|there| **there).count();
                let resting = |at: usize| there[at] && ejection.rests_for(&ids[at], now).is_some();
                prop_assert!((0..8).filter(|at| resting(*at)).count() <= linked / 2);
                prop_assert!(!resting(healthy), "it never failed");
            }
        }
    }
}
