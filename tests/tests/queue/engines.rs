//! The engines under test, and helpers that many tests use.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use mesh_runtime::{
    JobId,
    queue::{Job, MemoryQueue, NewJob, Queue, QueueName, QueueStats, RedisQueue},
};
use mesh_tests::RedisServer;
use tokio::{sync::OnceCell, time::Instant};

/// How long a test may take, and how long a condition may take to become true. Far more than any needs: it only ends
/// tests that hang.
const LIMIT: Duration = Duration::from_secs(120);
/// The polling interval while waiting for a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Effectively never.
pub(crate) const LONG: Duration = Duration::from_secs(3_600);
/// Effectively at once.
pub(crate) const SHORT: Duration = Duration::from_millis(5);

/// The server that is shared by all tests that do not damage it. It ends with the process.
static SERVER: OnceCell<RedisServer> = OnceCell::const_new();

/// Fails a test that hangs.
pub(crate) async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, Box::pin(test))
        .await
        .expect("the test waits for something that does not happen")
}

/// Waits until a condition is true.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it never came true: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The shared server, and a prefix that no other test uses.
pub(crate) async fn shared_server() -> (&'static RedisServer, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(RedisServer::start).await;
    let prefix = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
    (server, prefix)
}

/// An engine with timeouts for a slow machine.
pub(crate) async fn connect(url: &str, prefix: &str) -> RedisQueue {
    let queue = RedisQueue::connect(url).await.expect("Redis is there");
    queue.prefix(prefix).timeout(Duration::from_secs(30))
}

/// One kind of engine, and where it keeps its jobs.
pub(crate) struct Engines {
    redis: Option<(&'static RedisServer, String)>,
    memory: Arc<MemoryQueue>,
}

impl Engines {
    pub(crate) fn memory() -> Self {
        Self {
            redis: None,
            memory: Arc::default(),
        }
    }

    pub(crate) async fn redis() -> Self {
        Self {
            redis: Some(shared_server().await),
            memory: Arc::default(),
        }
    }

    /// An engine over the same jobs: in memory always the same engine, in Redis one more consumer.
    pub(crate) async fn one(&self) -> Arc<dyn Queue> {
        match &self.redis {
            None => Arc::clone(&self.memory) as _,
            Some((server, prefix)) => Arc::new(connect(&server.url(), prefix).await),
        }
    }
}

/// The queue of a `queued balanced` command.
pub(crate) fn name(command: &str) -> QueueName {
    QueueName::new("Shop", "Billing", command)
}

pub(crate) async fn enqueue(
    engine: &dyn Queue,
    queue: &QueueName,
    text: impl Into<Bytes>,
) -> JobId {
    let enqueued = engine.enqueue(queue, NewJob::new(text)).await.unwrap();
    assert!(!enqueued.duplicate);
    enqueued.job_id
}

/// Leases exactly one job.
pub(crate) async fn lease(engine: &dyn Queue, queue: &QueueName) -> Job {
    let mut jobs = engine.lease(queue, 1).await.unwrap();
    assert_eq!(jobs.len(), 1);
    jobs.remove(0)
}

/// Leases `count` jobs, and returns their payloads as texts. The jobs stay leased.
pub(crate) async fn lease_texts(
    engine: &dyn Queue,
    queue: &QueueName,
    count: usize,
) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let jobs = engine.lease(queue, count - texts.len()).await.unwrap();
        assert!(!jobs.is_empty());
        texts.extend(jobs.iter().map(|job| text(&job.payload)));
    }
    texts
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The numbers of waiting, running, delayed and dead jobs.
pub(crate) fn counts(stats: &QueueStats) -> [u64; 4] {
    [stats.waiting, stats.running, stats.delayed, stats.dead]
}

pub(crate) async fn stats(engine: &dyn Queue, queue: &QueueName) -> [u64; 4] {
    counts(&engine.admin().stats(queue).await.unwrap())
}
