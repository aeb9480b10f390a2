//! One queue in Redis, as a node of this process uses it: what it has leased, and every change but leasing, each by a
//! script.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use deadpool_redis::redis::{FromRedisValue, ScriptInvocation};
use tokio::{sync::watch, time::Instant};

use super::{
    Settings,
    batch::Batcher,
    keys::RedisKeys,
    line, scripts,
    server::{Pool, RedisAddr},
    values::{RawEntry, delay_of, due_text, hashed, millis, read},
};
use crate::{
    backoff::{Backoff, later, varied},
    id::JobId,
    queue::{Dedupe, Enqueued, Failure, Job, NewJob, QueueError, QueueName},
};

/// The pause before a job's end is reported again: full jitter, of a step that doubles from the first to the longest.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(2);

/// How often it is looked for orphaned queues: four times in their lease, within these bounds.
const SHORTEST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(60);

/// What all tasks of one queue share.
pub(super) struct Core {
    pub(super) name: QueueName,
    pub(super) keys: RedisKeys,
    pub(super) settings: Settings,
    /// This process among the consumers of the group.
    pub(super) consumer: String,
    pub(super) server: Arc<RedisAddr>,
    pub(super) pool: Pool,
    /// The jobs that run here.
    leased: Mutex<HashMap<JobId, Leased>>,
    /// When the next job that is put off may run.
    pub(super) due: watch::Sender<Option<Instant>>,
}

/// What becomes of the note since when a job is set aside.
#[derive(Clone, Copy)]
pub(super) enum SetAside {
    Clear,
    Keep,
    /// The first time counts.
    Set,
}

impl SetAside {
    fn text(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Keep => "keep",
            Self::Set => "set",
        }
    }
}

/// A job that runs here.
struct Leased {
    entry: String,
    /// Its end is on its way: its lease is no longer renewed.
    ending: bool,
}

/// The queue's changes that go in batches.
pub(super) struct Batches {
    enqueue: Batcher<NewJob, Result<Enqueued, QueueError>>,
    finish: Batcher<String, bool>,
}

impl Core {
    pub(super) fn new(
        name: QueueName,
        settings: Settings,
        consumer: String,
        server: Arc<RedisAddr>,
        pool: Pool,
    ) -> Self {
        Self {
            keys: RedisKeys::new(&settings.prefix, &name),
            name,
            settings,
            consumer,
            server,
            pool,
            leased: Mutex::default(),
            due: watch::Sender::new(None),
        }
    }

    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, QueueError> {
        line::invoke(&self.pool, script).await
    }

    fn leased(&self) -> MutexGuard<'_, HashMap<JobId, Leased>> {
        // No change of the map panics halfway.
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries of all jobs that run here.
    pub(super) fn running(&self) -> Vec<String> {
        let leased = self.leased();
        leased.values().map(|job| job.entry.clone()).collect()
    }

    /// The same, without those whose end is on its way.
    pub(super) fn to_renew(&self) -> Vec<String> {
        let leased = self.leased();
        let renewed = leased.values().filter(|job| !job.ending);
        renewed.map(|job| job.entry.clone()).collect()
    }

    /// The entry of a job whose attempt is about to end.
    fn ending(&self, job: &Job) -> Result<String, QueueError> {
        let mut leased = self.leased();
        let leased = leased.get_mut(&job.id).ok_or_else(|| not_leased(job))?;
        leased.ending = true;
        Ok(leased.entry.clone())
    }

    /// Another consumer has these entries now.
    pub(super) fn forget(&self, entries: &[String]) {
        let mut leased = self.leased();
        let before = leased.len();
        leased.retain(|_, job| job.ending || !entries.contains(&job.entry));
        let lost = before - leased.len();
        if lost > 0 {
            tracing::warn!(
                queue = %self.name,
                jobs = lost,
                "leases ran out before they were renewed: the jobs may run twice"
            );
        }
    }

    /// The jobs of freshly leased entries, `delivered` times each by the group.
    pub(super) fn take(&self, entries: impl IntoIterator<Item = (RawEntry, u32)>) -> Vec<Job> {
        let mut jobs = Vec::new();
        let mut leased = self.leased();
        for ((entry, fields), delivered) in entries {
            match read(&fields, delivered) {
                Some(job) => {
                    let held = Leased {
                        entry,
                        ending: false,
                    };
                    leased.insert(job.id.clone(), held);
                    jobs.push(job);
                }
                None => tracing::error!(
                    queue = %self.name,
                    entry,
                    "an entry of the stream is no job: it is left alone, see XPENDING and XRANGE"
                ),
            }
        }
        jobs
    }

    /// What a script says of the next job that is put off: it may run in so many milliseconds; there is none if this
    /// is negative.
    pub(super) fn note_due(&self, in_ms: i64) {
        if let Ok(in_ms) = u64::try_from(in_ms) {
            self.note_at(later(Instant::now(), Duration::from_millis(in_ms)));
        }
    }

    /// A job has been put off for so long.
    fn note_delay(&self, delay: Duration) {
        if !delay.is_zero() {
            self.note_at(later(Instant::now(), delay));
        }
    }

    pub(super) fn note_at(&self, at: Instant) {
        self.due.send_if_modified(|due| {
            let earlier = due.is_none_or(|due| at < due);
            if earlier {
                *due = Some(at);
            }
            earlier
        });
    }

    async fn enqueue(&self, jobs: Vec<NewJob>) -> EnqueueAnswers {
        let keys = &self.keys;
        let mut call = scripts::ENQUEUE.prepare_invoke();
        call.key(&keys.jobs).key(&keys.later).key(&keys.paused);
        call.key(&keys.seq).key(&keys.once).key(&keys.once_ids);
        call.key(&keys.instances);
        call.arg(self.settings.max_jobs)
            .arg(self.settings.max_keys)
            .arg(&keys.instance);
        for job in &jobs {
            call.arg(job.id.as_str()).arg(&job.payload[..]);
            call.arg(due_text(job.due));
            match &job.dedupe {
                None => call.arg("").arg(0),
                Some(Dedupe { key, window }) => {
                    call.arg(&hashed(key)[..]).arg(millis(*window).max(1))
                }
            };
        }
        let answers: Vec<String> = self.invoke(&call).await?;
        let read = |(job, answer): (NewJob, String)| match answer.as_bytes().first() {
            Some(b'+') => {
                self.note_delay(delay_of(job.due));
                Ok(Enqueued::accepted(job.id))
            }
            Some(b'=') => Ok(Enqueued::duplicate_of(answer[1..].into())),
            Some(b'K') => Err(QueueError::FullKeys {
                limit: self.settings.max_keys,
            }),
            _ => Err(self.full()),
        };
        Ok(jobs.into_iter().zip(answers).map(read).collect())
    }

    pub(super) fn full(&self) -> QueueError {
        QueueError::Full {
            limit: self.settings.max_jobs,
        }
    }

    /// Ends jobs that are done. Tried again while Redis is away, as long as the leases last: what cannot be reported
    /// would be done twice.
    async fn finish(&self, entries: Vec<String>) -> Result<Vec<bool>, QueueError> {
        let mut call = scripts::FINISH.prepare_invoke();
        call.key(&self.keys.jobs).arg(&entries);
        let give_up = later(Instant::now(), self.settings.lease);
        let mut backoff = Backoff::new(RETRY_PAUSE, MAX_RETRY_PAUSE);
        let mut unsure = false;
        loop {
            let error = match self.invoke::<Vec<bool>>(&call).await {
                // Those that are not there may have been ended by the try whose answer was lost.
                Ok(ended) => return Ok(ended.into_iter().map(|ended| ended || unsure).collect()),
                Err(error) => error,
            };
            let pause = backoff.next();
            if later(Instant::now(), pause) >= give_up {
                return Err(error);
            }
            tracing::debug!(queue = %self.name, %error, "the end of jobs is reported again");
            unsure = true;
            tokio::time::sleep(pause).await;
        }
    }

    pub(super) async fn fail(
        &self,
        job: &Job,
        error: Bytes,
        failure: Failure,
    ) -> Result<(), QueueError> {
        match failure {
            Failure::Retry { after } => {
                self.put_back(job, job.attempt, after, SetAside::Clear)
                    .await
            }
            Failure::Dead => self.bury(job, &error).await,
        }
    }

    /// The job waits again, as if it had not been leased.
    pub(super) async fn give_back(
        &self,
        job: &Job,
        wait: Duration,
        set_aside: SetAside,
    ) -> Result<(), QueueError> {
        let attempts = job.attempt.saturating_sub(1);
        self.put_back(job, attempts, wait, set_aside).await
    }

    /// The job waits again, as one that has been tried `attempts` times.
    async fn put_back(
        &self,
        job: &Job,
        attempts: u32,
        wait: Duration,
        set_aside: SetAside,
    ) -> Result<(), QueueError> {
        let entry = self.ending(job)?;
        let keys = &self.keys;
        let mut call = scripts::PUT_BACK.prepare_invoke();
        call.key(&keys.jobs).key(&keys.later).key(&keys.paused);
        call.key(&keys.seq);
        call.arg(&self.consumer).arg(&entry).arg(attempts);
        call.arg(millis(wait)).arg(set_aside.text());
        let done: bool = self.ended(job, &entry, self.invoke(&call).await)?;
        if !done {
            return Err(not_leased(job));
        }
        self.note_delay(wait);
        Ok(())
    }

    async fn bury(&self, job: &Job, error: &[u8]) -> Result<(), QueueError> {
        let entry = self.ending(job)?;
        let keys = &self.keys;
        let mut call = scripts::BURY.prepare_invoke();
        call.key(&keys.jobs).key(&keys.dead).key(&keys.letters);
        call.arg(&self.consumer).arg(&entry).arg(job.attempt);
        call.arg(error)
            .arg(&keys.instance)
            .arg(self.settings.max_dead);
        let dropped: i64 = self.ended(job, &entry, self.invoke(&call).await)?;
        match dropped {
            ..0 => Err(not_leased(job)),
            0 => Ok(()),
            dropped => {
                tracing::warn!(queue = %self.name, dropped, "too many dead letters: the oldest were dropped");
                Ok(())
            }
        }
    }

    /// After an attempt has ended, or this process could not say so: then the lease runs out. The job may have been
    /// leased here again meanwhile, by another entry.
    fn ended<T>(
        &self,
        job: &Job,
        entry: &str,
        result: Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        let mut leased = self.leased();
        if leased.get(&job.id).is_some_and(|held| held.entry == entry) {
            leased.remove(&job.id);
        }
        result
    }

    /// Waits for queues of instances that are gone.
    pub(super) async fn orphans(&self) -> Result<Vec<QueueName>, QueueError> {
        let often = (self.settings.orphan_lease / 4).clamp(SHORTEST_LOOK, LONGEST_LOOK);
        loop {
            // Not all nodes at once, also not those that started together.
            tokio::time::sleep(varied(often)).await;
            let found = self.claim_orphans().await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }

    async fn claim_orphans(&self) -> Result<Vec<QueueName>, QueueError> {
        let mut call = scripts::ORPHANS.prepare_invoke();
        call.key(&self.keys.instances);
        call.arg(millis(self.settings.orphan_lease))
            .arg(&self.keys.of_instance);
        let instances: Vec<String> = self.invoke(&call).await?;
        Ok(instances
            .into_iter()
            .map(|instance| self.name.of(instance))
            .collect())
    }

    pub(super) async fn leave(&self) -> Result<(), QueueError> {
        let keys = &self.keys;
        let mut call = scripts::LEAVE.prepare_invoke();
        call.key(&keys.jobs).key(&keys.later).key(&keys.paused);
        call.key(&keys.instances);
        call.arg(&self.consumer).arg(&keys.instance);
        self.invoke(&call).await
    }
}

type EnqueueAnswers = Result<Vec<Result<Enqueued, QueueError>>, QueueError>;

impl Batches {
    /// Must be called on a Tokio runtime.
    pub(super) fn start(core: &Arc<Core>) -> Self {
        let (enqueueing, finishing) = (Arc::clone(core), Arc::clone(core));
        Self {
            enqueue: Batcher::start(
                |job: &NewJob| job.payload.len(),
                move |jobs| {
                    let core = Arc::clone(&enqueueing);
                    async move { core.enqueue(jobs).await }
                },
            ),
            finish: Batcher::start(
                |_| 0,
                move |entries| {
                    let core = Arc::clone(&finishing);
                    async move { core.finish(entries).await }
                },
            ),
        }
    }

    pub(super) async fn enqueue(&self, job: NewJob) -> Result<Enqueued, QueueError> {
        self.enqueue.ask(job).await?
    }

    pub(super) async fn complete(&self, core: &Core, job: &Job) -> Result<(), QueueError> {
        let entry = core.ending(job)?;
        let ended = self.finish.ask(entry.clone()).await;
        if core.ended(job, &entry, ended)? {
            Ok(())
        } else {
            Err(not_leased(job))
        }
    }
}

fn not_leased(job: &Job) -> QueueError {
    QueueError::NotLeased {
        job: job.id.clone(),
    }
}
