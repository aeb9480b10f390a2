//! The jobs of one queue in memory, as pure state: what waits, runs or is put off. Is told the time and waits for
//! nothing; knows nothing of tasks, locks, dead letters or other queues.

#[cfg(test)]
mod tests;

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap, VecDeque},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::time::Instant;

use super::remembered_keys::RememberedKeys;
use crate::{
    backoff::later,
    id::JobId,
    queue::{Due, Enqueued, Failure, Job, JobState, NewJob, QueueError, QueueStats, StoredJob},
};

/// How much one queue holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueLimits {
    /// Jobs that wait, are put off or run.
    pub(super) jobs: usize,
    /// Bytes of their payloads; and as many again for the dead letters.
    pub(super) bytes: usize,
    /// Dead letters.
    pub(super) dead: usize,
    /// Deduplication keys. None for [`QueueLimits::KEYS_PER_JOB`] for each job.
    pub(super) keys: Option<usize>,
}

impl QueueLimits {
    /// A key is often remembered for longer than its job takes.
    pub(super) const KEYS_PER_JOB: usize = 16;

    fn keys(&self) -> usize {
        self.keys
            .unwrap_or_else(|| self.jobs.saturating_mul(Self::KEYS_PER_JOB))
    }

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

    fn full_keys(&self) -> QueueError {
        QueueError::FullKeys {
            limit: self.keys() as u64,
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
    /// Since when processes have set it aside.
    set_aside_since: Option<SystemTime>,
}

impl Held {
    fn stored(&self) -> StoredJob {
        let (id, payload) = (self.id.clone(), self.payload.clone());
        StoredJob::waiting(id, payload, self.attempts, self.enqueued_at)
    }
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

    fn stored(&self, now: Instant, wall: SystemTime) -> StoredJob {
        let wait = self.due.saturating_duration_since(now);
        let due_at = wall.checked_add(wait).unwrap_or(wall);
        self.job.stored().delayed(due_at)
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

/// A job that has left the queue for the dead letters.
pub(super) struct Ended {
    pub(super) payload: Bytes,
    pub(super) enqueued_at: SystemTime,
}

/// One queue.
#[derive(Default)]
pub(super) struct QueueState {
    waiting: VecDeque<Held>,
    put_off: BinaryHeap<Reverse<PutOff>>,
    running: HashMap<JobId, Held>,
    /// Of the payloads of `waiting`, `put_off` and `running`.
    bytes: usize,
    next_order: u64,
    keys: RememberedKeys,
    paused: bool,
}

impl QueueState {
    /// Accepts a job, or finds the one that it repeats.
    pub(super) fn enqueue(
        &mut self,
        job: NewJob,
        now: Instant,
        wall: SystemTime,
        limits: &QueueLimits,
    ) -> Result<Enqueued, QueueError> {
        self.keys.forget_expired(now);
        if let Some(dedupe) = &job.dedupe {
            if let Some(job_id) = self.keys.job_of(&dedupe.key) {
                return Ok(Enqueued::duplicate_of(job_id.clone()));
            }
            if self.keys.len() >= limits.keys() {
                return Err(limits.full_keys());
            }
        }
        self.check_room(job.payload.len(), limits)?;
        if let Some(dedupe) = job.dedupe {
            let until = later(now, dedupe.window);
            self.keys.remember(dedupe.key, job.id.clone(), until);
        }
        let job_id = job.id.clone();
        self.bytes += job.payload.len();
        let held = Held {
            id: job.id,
            payload: job.payload,
            attempts: 0,
            enqueued_at: wall,
            set_aside_since: None,
        };
        match delay(job.due, wall) {
            Some(delay) => self.put_off(held, later(now, delay)),
            None => self.waiting.push_back(held),
        }
        Ok(Enqueued::accepted(job_id))
    }

    /// Whether another job of so many bytes may come. Running jobs count too: they can come back, and must then find
    /// room.
    pub(super) fn check_room(&self, bytes: usize, limits: &QueueLimits) -> Result<(), QueueError> {
        if self.waiting.len() + self.put_off.len() + self.running.len() >= limits.jobs {
            return Err(limits.full());
        }
        if bytes > limits.bytes.saturating_sub(self.bytes) {
            return Err(limits.full_bytes());
        }
        Ok(())
    }

    /// Takes a dead letter back, with its attempts counted anew. See to it that there is room.
    pub(super) fn put_back(&mut self, id: JobId, payload: Bytes, enqueued_at: SystemTime) {
        self.bytes += payload.len();
        self.waiting.push_back(Held {
            id,
            payload,
            attempts: 0,
            enqueued_at,
            set_aside_since: None,
        });
    }

    fn put_off(&mut self, job: Held, due: Instant) {
        let order = self.next_order;
        self.next_order += 1;
        self.put_off.push(Reverse(PutOff { due, order, job }));
    }

    /// Moves those whose time has come to the end of those that wait.
    fn wake(&mut self, now: Instant) {
        while self.first_due().is_some_and(|due| due <= now) {
            let Some(Reverse(PutOff { job, .. })) = self.put_off.pop() else {
                return;
            };
            self.waiting.push_back(job);
        }
    }

    fn first_due(&self) -> Option<Instant> {
        self.put_off.peek().map(|Reverse(put_off)| put_off.due)
    }

    /// When it is worth asking for jobs again if nothing happens before.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.first_due().filter(|_| !self.paused)
    }

    /// Up to `max` jobs that can run now.
    pub(super) fn lease(&mut self, max: usize, now: Instant) -> Vec<Job> {
        if self.paused {
            return Vec::new();
        }
        self.wake(now);
        let count = max.min(self.waiting.len());
        let mut jobs = Vec::with_capacity(count);
        for mut held in self.waiting.drain(..count) {
            held.attempts = held.attempts.saturating_add(1);
            let (id, payload) = (held.id.clone(), held.payload.clone());
            let job = Job::new(id, payload, held.attempts, held.enqueued_at);
            jobs.push(job.set_aside_since(held.set_aside_since));
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

    /// The attempt failed. Returns the job if it becomes a dead letter.
    pub(super) fn fail(
        &mut self,
        job: &JobId,
        failure: Failure,
        now: Instant,
    ) -> Result<Option<Ended>, QueueError> {
        let mut held = self.end_lease(job)?;
        match failure {
            Failure::Retry { after } => {
                held.set_aside_since = None;
                self.put_off(held, later(now, after));
                Ok(None)
            }
            Failure::Dead => {
                self.bytes -= held.payload.len();
                Ok(Some(Ended {
                    payload: held.payload,
                    enqueued_at: held.enqueued_at,
                }))
            }
        }
    }

    /// The job is as it was before its lease.
    pub(super) fn release(&mut self, job: &JobId) -> Result<(), QueueError> {
        let mut held = self.end_lease(job)?;
        held.attempts -= 1;
        self.waiting.push_front(held);
        Ok(())
    }

    /// The job is as it was before its lease, but waits, and it is known since when that is so.
    pub(super) fn set_aside(
        &mut self,
        job: &JobId,
        wait: Duration,
        now: Instant,
        wall: SystemTime,
    ) -> Result<(), QueueError> {
        let mut held = self.end_lease(job)?;
        held.attempts -= 1;
        held.set_aside_since.get_or_insert(wall);
        self.put_off(held, later(now, wait));
        Ok(())
    }

    /// Whether jobs may begin.
    pub(super) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Jobs in that state, at most `max`: waiting and delayed ones in their order.
    pub(super) fn list(
        &mut self,
        state: JobState,
        max: usize,
        now: Instant,
        wall: SystemTime,
    ) -> Vec<StoredJob> {
        self.wake(now);
        match state {
            JobState::Waiting => self.waiting.iter().take(max).map(Held::stored).collect(),
            JobState::Running => {
                let running = self.running.values().take(max);
                running.map(|job| job.stored().running()).collect()
            }
            JobState::Delayed => {
                let mut put_off: Vec<_> = self.put_off.iter().map(|Reverse(job)| job).collect();
                put_off.sort_unstable();
                let first = put_off.into_iter().take(max);
                first.map(|job| job.stored(now, wall)).collect()
            }
        }
    }

    /// One job, wherever it is.
    pub(super) fn get(&mut self, id: &JobId, now: Instant, wall: SystemTime) -> Option<StoredJob> {
        self.wake(now);
        if let Some(job) = self.running.get(id) {
            return Some(job.stored().running());
        }
        if let Some(job) = self.waiting.iter().find(|job| job.id == *id) {
            return Some(job.stored());
        }
        let mut put_off = self.put_off.iter().map(|Reverse(put_off)| put_off);
        let found = put_off.find(|put_off| put_off.job.id == *id)?;
        Some(found.stored(now, wall))
    }

    /// Removes a job that waits or is put off. Returns whether there was one.
    pub(super) fn remove(&mut self, id: &JobId) -> bool {
        let mut bytes = None;
        let mut stays = |job: &Held| {
            let is_it = job.id == *id;
            if is_it {
                bytes = Some(job.payload.len());
            }
            !is_it
        };
        self.waiting.retain(&mut stays);
        self.put_off.retain(|Reverse(put_off)| stays(&put_off.job));
        self.bytes -= bytes.unwrap_or(0);
        bytes.is_some()
    }

    /// Everything but the dead letters, which are kept elsewhere.
    pub(super) fn stats(&mut self, now: Instant, wall: SystemTime) -> QueueStats {
        self.wake(now);
        // Not always the first: a job that is tried again is older than its neighbours.
        let oldest = self.waiting.iter().map(|job| job.enqueued_at).min();
        QueueStats {
            waiting: self.waiting.len() as u64,
            running: self.running.len() as u64,
            delayed: self.put_off.len() as u64,
            dead: 0,
            oldest_age: oldest.map(|at| wall.duration_since(at).unwrap_or_default()),
            paused: self.paused,
        }
    }
}

/// How long a job has to wait. None if it need not.
fn delay(due: Due, wall: SystemTime) -> Option<Duration> {
    let delay = match due {
        Due::Now => return None,
        Due::After(delay) => delay,
        Due::At(time) => time.duration_since(wall).unwrap_or_default(),
    };
    (!delay.is_zero()).then_some(delay)
}
