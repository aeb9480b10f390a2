//! Looking at the queues in Redis, and steering them.

use std::time::Duration;

use bytes::Bytes;
use deadpool_redis::redis;

use super::{RedisQueue, line, queue_entry::Core, scripts, values::time};
use crate::{
    id::JobId,
    queue::{
        Job, JobState, QueueAdmin, QueueError, QueueFuture, QueueName, QueueStats,
        StoredDeadLetter, StoredJob,
    },
};

/// Jobs that one script looks at while one is searched for: few, since each may hold megabytes.
const FIND_PAGE: u32 = 64;

/// What is done with a job that was searched for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Look,
    /// It is removed, unless it is leased.
    Remove,
}

/// A job as the scripts tell it: its state, id, attempts so far, when it was accepted, payload, and when it is due, or -1.
/// Times are in milliseconds since the Unix epoch.
type RawJob = (String, String, u32, u64, Bytes, i64);

fn state_text(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "waiting",
        JobState::Running => "running",
        JobState::Delayed => "delayed",
    }
}

fn stored((state, id, attempts, accepted, payload, due): RawJob) -> StoredJob {
    let job = StoredJob::waiting(id.into(), payload, attempts, time(accepted));
    match (&*state, u64::try_from(due)) {
        ("running", _) => job.running(),
        ("delayed", Ok(due)) => job.delayed(time(due)),
        _ => job,
    }
}

/// More than there can be, and few enough for Lua's numbers.
fn lua_count(max: usize) -> u32 {
    u32::try_from(max).unwrap_or(u32::MAX)
}

impl Core {
    async fn stats(&self) -> Result<QueueStats, QueueError> {
        let keys = &self.keys;
        let mut call = scripts::STATS.prepare_invoke();
        call.key(&keys.jobs).key(&keys.later).key(&keys.paused);
        call.key(&keys.dead);
        let (waiting, running, delayed, dead, oldest, paused): (u64, u64, u64, u64, i64, bool) =
            self.invoke(&call).await?;
        Ok(QueueStats {
            waiting,
            running,
            delayed,
            dead,
            oldest_age: u64::try_from(oldest).ok().map(Duration::from_millis),
            paused,
        })
    }

    async fn pause(&self) -> Result<(), QueueError> {
        let mut set = redis::cmd("SET");
        set.arg(&self.keys.paused).arg(1);
        line::query(&self.pool, &set).await
    }

    async fn resume(&self) -> Result<(), QueueError> {
        let keys = &self.keys;
        let mut call = scripts::RESUME.prepare_invoke();
        call.key(&keys.jobs).key(&keys.later).key(&keys.paused);
        let next = self.invoke(&call).await?;
        self.note_due(next);
        Ok(())
    }

    /// Jobs in that state, at most `max`, in their order.
    async fn jobs(&self, state: JobState, max: usize) -> Result<Vec<StoredJob>, QueueError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let mut call = scripts::LIST.prepare_invoke();
        call.key(&self.keys.jobs).key(&self.keys.later);
        call.arg(state_text(state)).arg(lua_count(max));
        let jobs: Vec<RawJob> = self.invoke(&call).await?;
        Ok(jobs.into_iter().map(stored).collect())
    }

    /// Looks for a job, page by page, so that Redis is never busy with it for long. First among those that are put off:
    /// one whose time comes meanwhile is then found at the end of the stream.
    async fn find(&self, job: &JobId, then: Found) -> Result<Option<StoredJob>, QueueError> {
        for (place, first) in [("later", "0"), ("jobs", "-")] {
            let mut cursor = first.to_owned();
            while !cursor.is_empty() {
                let mut call = scripts::FIND.prepare_invoke();
                call.key(&self.keys.jobs).key(&self.keys.later);
                call.arg(job.as_str()).arg(place).arg(&cursor);
                call.arg(FIND_PAGE).arg(then == Found::Remove);
                let (next, found): (String, Vec<RawJob>) = self.invoke(&call).await?;
                if let Some(found) = found.into_iter().next() {
                    return Ok(Some(stored(found)));
                }
                cursor = next;
            }
        }
        Ok(None)
    }

    /// The oldest dead letters, or that of one job.
    async fn letters(
        &self,
        max: usize,
        job: Option<&JobId>,
    ) -> Result<Vec<StoredDeadLetter>, QueueError> {
        type Letter = (String, String, u32, u64, u64, Bytes, Bytes);
        if max == 0 {
            return Ok(Vec::new());
        }
        let mut call = scripts::LETTERS.prepare_invoke();
        call.key(&self.keys.dead).key(&self.keys.letters);
        match job {
            Some(job) => call.arg("").arg(job.as_str()),
            None => call.arg(lua_count(max)),
        };
        let letters: Vec<Letter> = self.invoke(&call).await?;
        let read = |(id, instance, attempts, accepted, died, payload, error): Letter| {
            let queue = if instance.is_empty() {
                self.name.shared()
            } else {
                self.name.of(instance)
            };
            let job = Job::new(id.into(), payload, attempts, time(accepted));
            StoredDeadLetter::new(queue, job, error, time(died))
        };
        Ok(letters.into_iter().map(read).collect())
    }

    async fn requeue(&self, job: &JobId, payload: &[u8]) -> Result<bool, QueueError> {
        let keys = &self.keys;
        let mut call = scripts::REQUEUE.prepare_invoke();
        call.key(&keys.jobs).key(&keys.later).key(&keys.paused);
        call.key(&keys.seq).key(&keys.dead).key(&keys.letters);
        call.key(&keys.instances);
        call.arg(job.as_str()).arg(payload);
        call.arg(self.settings.max_jobs).arg(&keys.instance);
        let answer: String = self.invoke(&call).await?;
        match &*answer {
            "+" => Ok(true),
            "-" => Ok(false),
            _ => Err(self.full()),
        }
    }

    async fn purge(&self, job: &JobId) -> Result<bool, QueueError> {
        let mut call = scripts::PURGE.prepare_invoke();
        call.key(&self.keys.dead).key(&self.keys.letters);
        call.arg(job.as_str());
        self.invoke(&call).await
    }
}

impl QueueAdmin for RedisQueue {
    fn stats<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, QueueStats> {
        Box::pin(async move { self.core_of(queue).stats().await })
    }

    fn pause<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        Box::pin(async move { self.core_of(queue).pause().await })
    }

    fn resume<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        Box::pin(async move { self.core_of(queue).resume().await })
    }

    fn jobs<'a>(
        &'a self,
        queue: &'a QueueName,
        state: JobState,
        max: usize,
    ) -> QueueFuture<'a, Vec<StoredJob>> {
        Box::pin(async move { self.core_of(queue).jobs(state, max).await })
    }

    fn job<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
    ) -> QueueFuture<'a, Option<StoredJob>> {
        Box::pin(async move { self.core_of(queue).find(job, Found::Look).await })
    }

    fn remove<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool> {
        Box::pin(async move {
            let found = self.core_of(queue).find(job, Found::Remove).await?;
            Ok(found.is_some_and(|job| job.state != JobState::Running))
        })
    }

    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        max: usize,
    ) -> QueueFuture<'a, Vec<StoredDeadLetter>> {
        Box::pin(async move { self.core_of(queue).letters(max, None).await })
    }

    fn dead_letter<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
    ) -> QueueFuture<'a, Option<StoredDeadLetter>> {
        Box::pin(async move { Ok(self.core_of(queue).letters(1, Some(job)).await?.pop()) })
    }

    fn requeue<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
        payload: Bytes,
    ) -> QueueFuture<'a, bool> {
        Box::pin(async move { self.core_of(queue).requeue(job, &payload).await })
    }

    fn purge<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool> {
        Box::pin(async move { self.core_of(queue).purge(job).await })
    }
}
