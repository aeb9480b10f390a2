//! The jobs of one queue in memory, as pure state: what waits, runs, is put off or is dead. Is told the time and
//! waits for nothing; knows nothing of tasks, locks or other queues.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap, VecDeque},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{DeadLetter, Failure, Job, QueueError, QueueStats};
use crate::id::JobId;

/// How much one queue holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Jobs that wait, are put off or run.
    pub(super) jobs: usize,
    /// Bytes of their payloads; and as many again for the dead letters.
    pub(super) bytes: usize,
    /// Dead letters.
    pub(super) dead: usize,
}

impl Limits {
    fn full(&self) -> QueueError {
        QueueError::Full {
            limit: self.jobs as u64,
        }
    }

    fn full_bytes(&self) -> QueueError {
        QueueError::FullBytes {
            limit: self.bytes as u64,
        }
    }
}

/// An accepted job.
struct Held {
    id: JobId,
    payload: Bytes,
    /// How often it has been leased.
    attempts: u32,
    enqueued_at: SystemTime,
}

/// A job whose time has not come.
struct PutOff {
    due: Instant,
    /// Keeps those that are due at the same time in their order.
    order: u64,
    job: Held,
}

impl PutOff {
    fn key(&self) -> (Instant, u64) {
        (self.due, self.order)
    }
}

impl PartialEq for PutOff {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for PutOff {}

impl PartialOrd for PutOff {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PutOff {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// One queue.
#[derive(Default)]
pub(super) struct QueueState {
    waiting: VecDeque<Held>,
    put_off: BinaryHeap<Reverse<PutOff>>,
    running: HashMap<JobId, Held>,
    dead: VecDeque<DeadLetter>,
    /// Of the payloads of `waiting`, `put_off` and `running`.
    bytes: usize,
    dead_bytes: usize,
    next_order: u64,
}

impl QueueState {
    /// Accepts a job, to run now or when it is `due`.
    pub(super) fn enqueue(
        &mut self,
        id: JobId,
        payload: Bytes,
        enqueued_at: SystemTime,
        due: Option<Instant>,
        limits: &Limits,
    ) -> Result<(), QueueError> {
        self.check_room(payload.len(), limits)?;
        self.bytes += payload.len();
        let job = Held {
            id,
            payload,
            attempts: 0,
            enqueued_at,
        };
        match due {
            Some(due) => self.put_off(job, due),
            None => self.waiting.push_back(job),
        }
        Ok(())
    }

    /// Running jobs count too: they can come back, and must then find room.
    fn check_room(&self, bytes: usize, limits: &Limits) -> Result<(), QueueError> {
        if self.waiting.len() + self.put_off.len() + self.running.len() >= limits.jobs {
            return Err(limits.full());
        }
        if bytes > limits.bytes.saturating_sub(self.bytes) {
            return Err(limits.full_bytes());
        }
        Ok(())
    }

    fn put_off(&mut self, job: Held, due: Instant) {
        let order = self.next_order;
        self.next_order += 1;
        self.put_off.push(Reverse(PutOff { due, order, job }));
    }

    /// Moves those whose time has come to the end of those that wait.
    fn wake(&mut self, now: Instant) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse(PutOff { job, .. })) = self.put_off.pop() else {
                return;
            };
            self.waiting.push_back(job);
        }
    }

    /// When the next job that is put off can run.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.put_off.peek().map(|Reverse(put_off)| put_off.due)
    }

    /// Up to `max` jobs that can run now.
    pub(super) fn lease(&mut self, max: usize, now: Instant) -> Vec<Job> {
        self.wake(now);
        let count = max.min(self.waiting.len());
        let mut jobs = Vec::with_capacity(count);
        for mut held in self.waiting.drain(..count) {
            held.attempts = held.attempts.saturating_add(1);
            jobs.push(Job {
                id: held.id.clone(),
                payload: held.payload.clone(),
                attempt: held.attempts,
                enqueued_at: held.enqueued_at,
            });
            self.running.insert(held.id.clone(), held);
        }
        jobs
    }

    fn end_lease(&mut self, job: &JobId) -> Result<Held, QueueError> {
        self.running
            .remove(job)
            .ok_or_else(|| QueueError::NotLeased { job: job.clone() })
    }

    /// The job is done.
    pub(super) fn complete(&mut self, job: &JobId) -> Result<(), QueueError> {
        let held = self.end_lease(job)?;
        self.bytes -= held.payload.len();
        Ok(())
    }

    /// The attempt failed. Returns how many dead letters had to go to make room.
    pub(super) fn fail(
        &mut self,
        job: &JobId,
        error: String,
        failure: Failure,
        now: Instant,
        wall: SystemTime,
        limits: &Limits,
    ) -> Result<usize, QueueError> {
        let held = self.end_lease(job)?;
        match failure {
            Failure::Retry { after } => {
                self.put_off(held, later(now, after));
                Ok(0)
            }
            Failure::Dead => {
                self.bytes -= held.payload.len();
                self.dead_bytes += held.payload.len();
                self.dead.push_back(DeadLetter {
                    job_id: held.id,
                    payload: held.payload,
                    error,
                    attempts: held.attempts,
                    enqueued_at: held.enqueued_at,
                    died_at: wall,
                });
                Ok(self.trim_dead(limits))
            }
        }
    }

    fn trim_dead(&mut self, limits: &Limits) -> usize {
        let before = self.dead.len();
        while self.dead.len() > limits.dead || self.dead_bytes > limits.bytes {
            let Some(letter) = self.dead.pop_front() else {
                break;
            };
            self.dead_bytes -= letter.payload.len();
        }
        before - self.dead.len()
    }

    /// The job is as it was before its lease.
    pub(super) fn release(&mut self, job: &JobId) -> Result<(), QueueError> {
        let mut held = self.end_lease(job)?;
        held.attempts -= 1;
        self.waiting.push_front(held);
        Ok(())
    }

    pub(super) fn stats(&mut self, now: Instant, wall: SystemTime) -> QueueStats {
        self.wake(now);
        // Not always the first: a job that is tried again is older than its neighbours.
        let oldest = self.waiting.iter().map(|job| job.enqueued_at).min();
        QueueStats {
            waiting: self.waiting.len() as u64,
            running: self.running.len() as u64,
            delayed: self.put_off.len() as u64,
            dead: self.dead.len() as u64,
            oldest_age: oldest.map(|at| wall.duration_since(at).unwrap_or_default()),
        }
    }

    pub(super) fn dead_letters(&self, max: usize) -> Vec<DeadLetter> {
        self.dead.iter().take(max).cloned().collect()
    }

    fn find_dead(&self, job: &JobId) -> Option<usize> {
        self.dead.iter().position(|letter| letter.job_id == *job)
    }

    fn take_dead(&mut self, job: &JobId) -> Option<DeadLetter> {
        let letter = self.dead.remove(self.find_dead(job)?)?;
        self.dead_bytes -= letter.payload.len();
        Some(letter)
    }

    /// Back to those that wait.
    pub(super) fn requeue(&mut self, job: &JobId, limits: &Limits) -> Result<bool, QueueError> {
        let Some(at) = self.find_dead(job) else {
            return Ok(false);
        };
        self.check_room(self.dead[at].payload.len(), limits)?;
        let Some(letter) = self.take_dead(job) else {
            return Ok(false);
        };
        self.bytes += letter.payload.len();
        self.waiting.push_back(Held {
            id: letter.job_id,
            payload: letter.payload,
            attempts: 0,
            enqueued_at: letter.enqueued_at,
        });
        Ok(true)
    }

    pub(super) fn purge(&mut self, job: &JobId) -> bool {
        self.take_dead(job).is_some()
    }
}

/// `now` and `after` together, or what is as good as never where that cannot be reckoned.
pub(super) fn later(now: Instant, after: Duration) -> Instant {
    const AS_GOOD_AS_NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    now + after.min(AS_GOOD_AS_NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        jobs: 3,
        bytes: 100,
        dead: 2,
    };

    fn push(state: &mut QueueState, id: &str, bytes: usize) -> Result<(), QueueError> {
        let payload = Bytes::from(vec![0; bytes]);
        state.enqueue(
            JobId::new(id),
            payload,
            SystemTime::UNIX_EPOCH,
            None,
            &LIMITS,
        )
    }

    fn bury(state: &mut QueueState, id: &str) -> usize {
        bury_bytes(state, id, 10)
    }

    fn bury_bytes(state: &mut QueueState, id: &str, bytes: usize) -> usize {
        let now = Instant::now();
        let wall = SystemTime::UNIX_EPOCH;
        push(state, id, bytes).unwrap();
        state.lease(1, now);
        state
            .fail(
                &JobId::new(id),
                "no".into(),
                Failure::Dead,
                now,
                wall,
                &LIMITS,
            )
            .unwrap()
    }

    fn ids(jobs: &[Job]) -> Vec<&str> {
        jobs.iter().map(|job| job.id.as_str()).collect()
    }

    #[test]
    fn jobs_are_leased_in_their_order_and_no_more_than_asked_for() {
        let mut state = QueueState::default();
        for id in ["a", "b", "c"] {
            push(&mut state, id, 1).unwrap();
        }
        let now = Instant::now();
        assert_eq!(ids(&state.lease(2, now)), ["a", "b"]);
        assert_eq!(ids(&state.lease(2, now)), ["c"]);
        assert!(state.lease(2, now).is_empty());
    }

    #[test]
    fn a_queue_is_full_at_its_number_of_jobs_until_one_is_done() {
        let mut state = QueueState::default();
        for id in ["a", "b", "c"] {
            push(&mut state, id, 1).unwrap();
        }
        let full = Err(QueueError::Full { limit: 3 });
        assert_eq!(push(&mut state, "d", 1), full);
        state.lease(1, Instant::now());
        assert_eq!(push(&mut state, "d", 1), full, "a running job has its room");
        state.complete(&JobId::new("a")).unwrap();
        push(&mut state, "d", 1).unwrap();
    }

    #[test]
    fn a_queue_is_full_at_its_number_of_bytes_until_they_are_freed() {
        let mut state = QueueState::default();
        push(&mut state, "a", 60).unwrap();
        let full = Err(QueueError::FullBytes { limit: 100 });
        assert_eq!(push(&mut state, "b", 41), full);
        push(&mut state, "c", 40).unwrap();
        state.lease(1, Instant::now());
        state.complete(&JobId::new("a")).unwrap();
        push(&mut state, "b", 60).unwrap();
        assert_eq!(push(&mut QueueState::default(), "d", 101), full);
    }

    #[test]
    fn a_job_that_is_put_off_comes_when_it_is_due_and_not_before() {
        let mut state = QueueState::default();
        let now = Instant::now();
        let wall = SystemTime::UNIX_EPOCH;
        for (id, seconds) in [("late", 2), ("soon", 1), ("also soon", 1)] {
            let due = Some(now + Duration::from_secs(seconds));
            state
                .enqueue(JobId::new(id), Bytes::new(), wall, due, &LIMITS)
                .unwrap();
        }
        assert!(state.lease(9, now).is_empty());
        assert_eq!(state.stats(now, wall).delayed, 3);
        let due = state.next_due().unwrap();
        assert_eq!(due, now + Duration::from_secs(1));
        assert_eq!(ids(&state.lease(9, due)), ["soon", "also soon"]);
        assert_eq!(ids(&state.lease(9, due + Duration::from_secs(1))), ["late"]);
    }

    #[test]
    fn a_job_given_back_is_the_next_and_its_attempt_does_not_count() {
        let mut state = QueueState::default();
        push(&mut state, "a", 1).unwrap();
        push(&mut state, "b", 1).unwrap();
        let now = Instant::now();
        state.lease(1, now);
        state.release(&JobId::new("a")).unwrap();
        let again = state.lease(1, now);
        assert_eq!((again[0].id.as_str(), again[0].attempt), ("a", 1));
    }

    #[test]
    fn a_lease_ends_once() {
        let mut state = QueueState::default();
        push(&mut state, "a", 1).unwrap();
        state.lease(1, Instant::now());
        let id = JobId::new("a");
        state.complete(&id).unwrap();
        let not_leased = QueueError::NotLeased { job: id.clone() };
        assert_eq!(state.complete(&id), Err(not_leased.clone()));
        assert_eq!(state.release(&id), Err(not_leased));
    }

    #[test]
    fn the_oldest_dead_letter_goes_when_there_are_too_many() {
        let mut state = QueueState::default();
        assert_eq!(bury(&mut state, "a"), 0);
        assert_eq!(bury(&mut state, "b"), 0);
        assert_eq!(bury(&mut state, "c"), 1);
        let left = state.dead_letters(9);
        let left: Vec<_> = left.iter().map(|letter| letter.job_id.as_str()).collect();
        assert_eq!(left, ["b", "c"]);
        assert_eq!(state.dead_letters(1).len(), 1);
    }

    #[test]
    fn the_oldest_dead_letter_goes_when_their_payloads_take_too_much_room() {
        let mut state = QueueState::default();
        assert_eq!(bury_bytes(&mut state, "a", 60), 0);
        assert_eq!(bury_bytes(&mut state, "b", 60), 1);
        assert_eq!(state.dead_letters(9)[0].job_id.as_str(), "b");
        assert_eq!((state.bytes, state.dead_bytes), (0, 60));
    }

    #[test]
    fn a_dead_letter_can_be_put_back_or_thrown_away() {
        let mut state = QueueState::default();
        bury(&mut state, "a");
        bury(&mut state, "b");
        let (a, b) = (JobId::new("a"), JobId::new("b"));
        assert_eq!(state.requeue(&a, &LIMITS), Ok(true));
        assert_eq!(state.requeue(&a, &LIMITS), Ok(false));
        assert!(state.purge(&b));
        assert!(!state.purge(&b));
        assert!(state.dead_letters(9).is_empty());
        let jobs = state.lease(9, Instant::now());
        assert_eq!(ids(&jobs), ["a"]);
        assert_eq!(jobs[0].attempt, 1);
        assert_eq!((state.bytes, state.dead_bytes), (10, 0));
    }

    #[test]
    fn a_dead_letter_stays_where_it_is_while_the_queue_is_full() {
        let mut state = QueueState::default();
        bury(&mut state, "dead");
        for id in ["a", "b", "c"] {
            push(&mut state, id, 1).unwrap();
        }
        let full = Err(QueueError::Full { limit: 3 });
        assert_eq!(state.requeue(&JobId::new("dead"), &LIMITS), full);
        assert_eq!(state.dead_letters(9).len(), 1);
    }

    #[test]
    fn the_stats_count_every_job_where_it_is() {
        let mut state = QueueState::default();
        let now = Instant::now();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
        bury(&mut state, "dead");
        push(&mut state, "running", 1).unwrap();
        push(&mut state, "retry", 1).unwrap();
        push(&mut state, "waiting", 1).unwrap();
        state.lease(2, now);
        let retry = Failure::Retry {
            after: Duration::MAX,
        };
        state
            .fail(&JobId::new("retry"), "no".into(), retry, now, wall, &LIMITS)
            .unwrap();
        let stats = state.stats(now, wall);
        assert_eq!(
            stats,
            QueueStats {
                waiting: 1,
                running: 1,
                delayed: 1,
                dead: 1,
                oldest_age: Some(Duration::from_secs(7)),
            }
        );
    }
}
