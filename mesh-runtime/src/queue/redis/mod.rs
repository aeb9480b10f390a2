//! The engine that keeps jobs in Redis Streams, shared by all processes that are given the same Redis.
//!
//! A queue is a stream with one consumer group, a sorted set of what is put off, and the dead letters of its command;
//! every change is a script ([`scripts`]). This process is one consumer: [`queue_entry`] knows what it has leased and
//! [`batch`]es what it asks for, [`lease`] reads, [`keeper`] renews; [`admin`] is for operators. Knows nothing of handlers or seals.

mod admin;
mod batch;
mod keeper;
mod keys;
mod lease;
mod line;
mod queue_entry;
mod scripts;
mod server;
mod values;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use deadpool_redis::redis;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    lease::LeaseReader,
    queue_entry::{Batches, Core, SetAside},
    server::{Pool, RedisAddr, failed},
};
use super::{
    Enqueued, Failure, Job, NewJob, Queue, QueueAdmin, QueueError, QueueFuture, QueueName,
};

/// The oldest Redis that has what the scripts need.
const OLDEST: (u32, u32) = (7, 0);
/// A lease shorter than this could run out while a busy process is about to renew it.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// Keeps jobs in Redis 7 or newer (or Valkey), so that they outlive the process: `queued balanced` commands share one
/// queue among all instances, and no accepted job is lost.
///
/// An instance needs no Redis client of its own beside this, and callers need none at all. Jobs are sealed with keys of
/// the mesh before they get here. **How durable they are is up to Redis**: `appendonly yes` with `appendfsync always`
/// loses nothing that was accepted, `everysec` can lose a second when Redis is killed, and a fail-over of Sentinel or
/// Cluster can lose what had not reached the replica. Set `maxmemory-policy noeviction`, or Redis throws jobs away.
///
/// The settings are to be made before it is used. Connections come up by themselves, also after Redis was away.
/// `rediss://` needs one of the TLS features of the crate `redis` in your `Cargo.toml`.
///
/// ```no_run
/// # async fn connect() -> Result<(), mesh_runtime::queue::QueueError> {
/// use mesh_runtime::queue::RedisQueue;
/// use std::time::Duration;
///
/// let queue = RedisQueue::connect("redis://127.0.0.1:6379")
///     .await?
///     .lease_time(Duration::from_secs(60))
///     .max_jobs(1_000_000);
/// # Ok(())
/// # }
/// ```
pub struct RedisQueue {
    server: Arc<RedisAddr>,
    pool: Pool,
    settings: Settings,
    /// This process among the consumers of every group.
    consumer: String,
    queues: Mutex<HashMap<QueueName, Arc<QueueEntry>>>,
}

#[derive(Clone, Debug)]
struct Settings {
    prefix: String,
    lease: Duration,
    orphan_lease: Duration,
    timeout: Duration,
    max_jobs: u64,
    max_keys: u64,
    max_dead: u64,
}

/// One queue, and the tasks that this process has for it. They end with it.
struct QueueEntry {
    core: Arc<Core>,
    batches: Batches,
    reader: AsyncMutex<LeaseReader>,
    keeper: OnceLock<DropGuard>,
    /// Leases that are waited for.
    wanted: AtomicUsize,
}

/// Counts one who waits for a lease.
struct Wanted<'a>(&'a QueueEntry);

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.wanted.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RedisQueue {
    /// The time of a lease unless set otherwise: 30 s.
    pub const LEASE: Duration = Duration::from_secs(30);
    /// How long an instance may be away before its own jobs are orphans, unless set otherwise: 10 minutes.
    pub const ORPHAN_LEASE: Duration = Duration::from_secs(10 * 60);
    /// How long Redis may take to answer, unless set otherwise: 2 s.
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    /// The most jobs of a queue unless set otherwise.
    pub const MAX_JOBS: u64 = 100_000;
    /// The most deduplication keys of a queue unless set otherwise.
    pub const MAX_KEYS: u64 = 1_000_000;
    /// The most dead letters of a command unless set otherwise.
    pub const MAX_DEAD: u64 = 10_000;
    /// The most connections for short commands.
    const POOL: usize = 16;

    /// Uses one Redis server: `redis://[user:password@]host[:port][/database]`.
    ///
    /// # Errors
    /// A URL that is none; a Redis that cannot be reached within seconds, or is too old.
    pub async fn connect(url: &str) -> Result<Self, QueueError> {
        Self::over(RedisAddr::one(url)).await
    }

    /// Uses the server that these Sentinels call the master of `name`, also after a fail-over. User, password and
    /// database are those of the first URL.
    ///
    /// # Errors
    /// URLs that are none; no master that can be reached within seconds, or one that is too old.
    pub async fn connect_sentinel(sentinels: &[&str], name: &str) -> Result<Self, QueueError> {
        Self::over(RedisAddr::sentinel(sentinels, name)).await
    }

    /// Uses a cluster, of which these are some nodes. All keys of a command are in one slot.
    ///
    /// # Errors
    /// URLs that are none; a cluster that cannot be reached within seconds, or is too old.
    pub async fn connect_cluster(nodes: &[&str]) -> Result<Self, QueueError> {
        Self::over(RedisAddr::cluster(nodes)).await
    }

    async fn over(server: redis::RedisResult<RedisAddr>) -> Result<Self, QueueError> {
        let server = Arc::new(server.map_err(|error| failed(&error))?);
        let queue = Self {
            pool: server::pool(Arc::clone(&server), Self::POOL, Self::TIMEOUT),
            server,
            settings: Settings {
                prefix: "mesh".into(),
                lease: Self::LEASE,
                orphan_lease: Self::ORPHAN_LEASE,
                timeout: Self::TIMEOUT,
                max_jobs: Self::MAX_JOBS,
                max_keys: Self::MAX_KEYS,
                max_dead: Self::MAX_DEAD,
            },
            consumer: format!("{:016x}", rand::random::<u64>()),
            queues: Mutex::default(),
        };
        queue.check().await?;
        Ok(queue)
    }

    /// Refuses a Redis that is too old, and warns of one that may lose jobs.
    async fn check(&self) -> Result<(), QueueError> {
        let info = |section: &'static str| {
            let mut ask = redis::cmd("INFO");
            ask.arg(section);
            ask
        };
        let mut lines = String::new();
        for section in ["server", "persistence", "memory"] {
            let said: redis::Value = line::query(&self.pool, &info(section)).await?;
            lines.push_str(&said_by_one(&said));
        }
        let said = |name: &str| {
            lines.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key == name).then(|| value.trim().to_owned())
            })
        };
        let version = said("redis_version").unwrap_or_default();
        let mut numbers = version
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or(0));
        let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if found < OLDEST {
            return Err(QueueError::Engine(format!(
                "Redis: version {version} is too old, it must be {}.{} or newer",
                OLDEST.0, OLDEST.1
            )));
        }
        if said("aof_enabled").is_some_and(|enabled| enabled == "0") {
            tracing::warn!(
                "Redis does not write what it holds to disk as it comes (`appendonly no`): jobs can be lost with it"
            );
        }
        if said("maxmemory_policy").is_some_and(|policy| policy != "noeviction") {
            tracing::warn!("Redis may throw jobs away: set `maxmemory-policy noeviction`");
        }
        Ok(())
    }

    /// What the keys in Redis begin with. Meshes that share a Redis and a name need different ones. Default: `mesh`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.prefix = prefix.into();
        self
    }

    /// After how long without a sign of life a process loses the jobs that it has leased to others. While it lives, it
    /// renews them three times in that time. At least 100 ms. Default: [`RedisQueue::LEASE`].
    pub fn lease_time(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.max(SHORTEST_LEASE);
        self
    }

    /// How long an instance may be away before the jobs of its `queued broadcast` commands are orphans: see
    /// `#[orphans]`. Longer than any restart takes. Default: [`RedisQueue::ORPHAN_LEASE`].
    pub fn orphan_lease(mut self, lease: Duration) -> Self {
        self.settings.orphan_lease = lease;
        self
    }

    /// How long Redis may take to answer. Default: [`RedisQueue::TIMEOUT`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self.pool = server::pool(Arc::clone(&self.server), Self::POOL, timeout);
        self
    }

    /// The most jobs that each queue holds, those that are delayed or running included. Default:
    /// [`RedisQueue::MAX_JOBS`].
    pub fn max_jobs(mut self, jobs: u64) -> Self {
        self.settings.max_jobs = jobs;
        self
    }

    /// The most deduplication keys that each queue remembers. Default: [`RedisQueue::MAX_KEYS`].
    pub fn max_keys(mut self, keys: u64) -> Self {
        self.settings.max_keys = keys;
        self
    }

    /// The most dead letters of each command; beyond, the oldest go. Default: [`RedisQueue::MAX_DEAD`].
    pub fn max_dead(mut self, letters: u64) -> Self {
        self.settings.max_dead = letters;
        self
    }

    fn core(&self, name: &QueueName) -> Core {
        Core::new(
            name.clone(),
            self.settings.clone(),
            self.consumer.clone(),
            Arc::clone(&self.server),
            self.pool.clone(),
        )
    }

    /// The queue, with its tasks. Must be called on a Tokio runtime.
    fn queue_entry(&self, name: &QueueName) -> Arc<QueueEntry> {
        // No change of the map panics halfway.
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue_entry) = queues.get(name) {
            return Arc::clone(queue_entry);
        }
        let core = Arc::new(self.core(name));
        let queue_entry = Arc::new(QueueEntry {
            batches: Batches::start(&core),
            reader: AsyncMutex::new(LeaseReader::new()),
            keeper: OnceLock::new(),
            wanted: AtomicUsize::new(0),
            core,
        });
        queues.insert(name.clone(), Arc::clone(&queue_entry));
        queue_entry
    }

    /// Takes the queue away, unless it is in use.
    fn take_unused(&self, name: &QueueName) -> Option<Arc<QueueEntry>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.get(name)?.is_in_use() {
            return None;
        }
        queues.remove(name)
    }

    /// The queue without its tasks: this process may not use it any further.
    fn core_of(&self, name: &QueueName) -> Arc<Core> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        match queues.get(name) {
            Some(queue_entry) => Arc::clone(&queue_entry.core),
            None => Arc::new(self.core(name)),
        }
    }
}

impl QueueEntry {
    fn want(&self) -> Wanted<'_> {
        self.wanted.fetch_add(1, Ordering::Relaxed);
        Wanted(self)
    }

    /// Whether another node of this process works on the queue too.
    fn is_in_use(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0 || !self.core.running().is_empty()
    }

    fn keep(&self) {
        self.keeper.get_or_init(|| {
            let stop = CancellationToken::new();
            tokio::spawn(keeper::keep(Arc::clone(&self.core), stop.clone()));
            stop.drop_guard()
        });
    }
}

/// The text of an answer to `INFO`; in a cluster, where all nodes answer, that of any one.
fn said_by_one(said: &redis::Value) -> String {
    match said {
        redis::Value::Map(nodes) => nodes
            .first()
            .map_or_else(String::new, |(_, said)| said_by_one(said)),
        redis::Value::BulkString(text) => String::from_utf8_lossy(text).into_owned(),
        redis::Value::VerbatimString { text, .. } | redis::Value::SimpleString(text) => {
            text.clone()
        }
        _ => String::new(),
    }
}

impl Queue for RedisQueue {
    fn admin(&self) -> &dyn QueueAdmin {
        self
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn enqueue<'a>(&'a self, queue: &'a QueueName, job: NewJob) -> QueueFuture<'a, Enqueued> {
        Box::pin(async move { self.queue_entry(queue).batches.enqueue(job).await })
    }

    fn lease<'a>(&'a self, queue: &'a QueueName, max: usize) -> QueueFuture<'a, Vec<Job>> {
        Box::pin(async move {
            if max == 0 {
                return Ok(Vec::new());
            }
            let queue_entry = self.queue_entry(queue);
            queue_entry.keep();
            let _wanted = queue_entry.want();
            let (waiting, jobs) = oneshot::channel();
            let leasing = Arc::clone(&queue_entry);
            // In a task of its own: an answer that has jobs in it must be read, also if nobody waits for it any more.
            tokio::spawn(async move {
                let mut reader = leasing.reader.lock().await;
                reader.lease(&leasing.core, max, waiting).await;
            });
            let handed = jobs.await.unwrap_or(Err(QueueError::Closed))?;
            Ok(handed.take())
        })
    }

    fn complete<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            let queue_entry = self.queue_entry(queue);
            queue_entry.batches.complete(&queue_entry.core, job).await
        })
    }

    fn fail<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        error: Bytes,
        failure: Failure,
    ) -> QueueFuture<'a, ()> {
        Box::pin(async move { self.core_of(queue).fail(job, error, failure).await })
    }

    fn release<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            let core = self.core_of(queue);
            core.give_back(job, Duration::ZERO, SetAside::Keep).await
        })
    }

    fn set_aside<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        wait: Duration,
    ) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            let core = self.core_of(queue);
            core.give_back(job, wait, SetAside::Set).await
        })
    }

    fn leave<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        Box::pin(async move {
            let Some(queue_entry) = self.take_unused(queue) else {
                return Ok(());
            };
            // A lease that was given up still gives back what came.
            let _reader = queue_entry.reader.lock().await;
            queue_entry.core.leave().await
        })
    }

    fn orphans<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, Vec<QueueName>> {
        Box::pin(async move { self.core_of(queue).orphans().await })
    }
}

impl fmt::Debug for RedisQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisQueue")
            .field("consumer", &self.consumer)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
