//! One queue in Redis, as this process uses it: what it has leased, and every change but leasing, each by a script.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use deadpool_redis::redis::{self, FromRedisValue, ScriptInvocation};
use tokio::{sync::watch, time::Instant};

use super::{
    Settings,
    batch::Batcher,
    keys::RedisKeys,
    line, scripts,
    server::{Pool, RedisAddr},
    values::{RawEntry, delay_of, due_text, hashed, millis, read, time},
};
use crate::{
    backoff::varied,
    id::JobId,
    queue::{
        Dedupe, Enqueued, Failure, Job, NewJob, QueueError, QueueName, QueueStats,
        StoredDeadLetter, state::later,
    },
};

/// The first pause before a job's end is reported again. It doubles up to the longest.
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

    fn note_at(&self, at: Instant) {
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
                Ok(Enqueued {
                    job_id: job.id,
                    duplicate: false,
                })
            }
            Some(b'=') => Ok(Enqueued {
                job_id: answer[1..].into(),
                duplicate: true,
            }),
            Some(b'K') => Err(QueueError::FullKeys {
                limit: self.settings.max_keys,
            }),
            _ => Err(self.full()),
        };
        Ok(jobs.into_iter().zip(answers).map(read).collect())
    }

    fn full(&self) -> QueueError {
        QueueError::Full {
            limit: self.settings.max_jobs,
        }
    }

    /// Ends jobs that are done. Tried again while Redis is away, as long as the leases last: what cannot be reported
    /// would be done twice.
    async fn finish(&self, entries: Vec<String>) -> Result<Vec<bool>, QueueError> {
        let mut call = scripts::FINISH.prepare_invoke();
        call.key(&self.keys.jobs).arg(&entries);
        let give_up = Instant::now() + self.settings.lease;
        let mut pause = RETRY_PAUSE;
        let mut unsure = false;
        loop {
            let error = match self.invoke::<Vec<bool>>(&call).await {
                // Those that are not there may have been ended by the try whose answer was lost.
                Ok(ended) => return Ok(ended.into_iter().map(|ended| ended || unsure).collect()),
                Err(error) => error,
            };
            if Instant::now() + pause >= give_up {
                return Err(error);
            }
            tracing::debug!(queue = %self.name, %error, "the end of jobs is reported again");
            unsure = true;
            tokio::time::sleep(varied(pause)).await;
            pause = (pause * 2).min(MAX_RETRY_PAUSE);
        }
    }

    pub(super) async fn fail(
        &self,
        job: &Job,
        error: Bytes,
        failure: Failure,
    ) -> Result<(), QueueError> {
        match failure {
            Failure::Retry { after } => self.put_back(job, job.attempt, after).await,
            Failure::Dead => self.bury(job, &error).await,
        }
    }

    /// The job waits again, as one that has been tried `attempts` times.
    pub(super) async fn put_back(
        &self,
        job: &Job,
        attempts: u32,
        wait: Duration,
    ) -> Result<(), QueueError> {
        let entry = self.ending(job)?;
        let keys = &self.keys;
        let mut call = scripts::PUT_BACK.prepare_invoke();
        call.key(&keys.jobs).key(&keys.later).key(&keys.paused);
        call.key(&keys.seq);
        call.arg(&self.consumer).arg(&entry).arg(attempts);
        call.arg(millis(wait));
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

    pub(super) async fn stats(&self) -> Result<QueueStats, QueueError> {
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

    pub(super) async fn pause(&self) -> Result<(), QueueError> {
        let mut set = redis::cmd("SET");
        set.arg(&self.keys.paused).arg(1);
        line::query(&self.pool, &set).await
    }

    pub(super) async fn resume(&self) -> Result<(), QueueError> {
        let keys = &self.keys;
        let mut call = scripts::RESUME.prepare_invoke();
        call.key(&keys.jobs).key(&keys.later).key(&keys.paused);
        let next = self.invoke(&call).await?;
        self.note_due(next);
        Ok(())
    }

    /// The oldest dead letters, or that of one job.
    pub(super) async fn letters(
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
            // More than there can be, and few enough for Lua's numbers.
            None => call.arg(max.min(u32::MAX as usize)),
        };
        let letters: Vec<Letter> = self.invoke(&call).await?;
        let read =
            |(id, instance, attempts, accepted, died, payload, error): Letter| StoredDeadLetter {
                job_id: id.into(),
                queue: if instance.is_empty() {
                    self.name.shared()
                } else {
                    self.name.of(instance)
                },
                payload,
                error,
                attempts,
                enqueued_at: time(accepted),
                died_at: time(died),
            };
        Ok(letters.into_iter().map(read).collect())
    }

    pub(super) async fn requeue(&self, job: &JobId, payload: &[u8]) -> Result<bool, QueueError> {
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

    pub(super) async fn purge(&self, job: &JobId) -> Result<bool, QueueError> {
        let mut call = scripts::PURGE.prepare_invoke();
        call.key(&self.keys.dead).key(&self.keys.letters);
        call.arg(job.as_str());
        self.invoke(&call).await
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
