//! A pool of workers with one queue. A job that fails is tried again; one that cannot succeed is a dead letter.
//!
//! `cargo run -p mesh-examples --example worker_pool`
//!
//! The queue is in memory. With `MESH_REDIS_URL` set, for example to `redis://127.0.0.1:6379`, and `--features redis`, it
//! is in Redis and outlives the workers.

use std::{collections::BTreeSet, env, error::Error, sync::Arc, time::Duration};

use mesh_runtime::{
    Context, JobError, mesh_schema,
    queue::{MemoryQueue, Queue},
    testing::TestMesh,
};
use tokio::{
    sync::{Barrier, mpsc},
    time::timeout,
};

mesh_schema! {
    /// Pictures.
    mesh Pictures;

    /// Has pictures to resize.
    node Album { connect: [Worker]; }

    /// Resizes them.
    node Worker {
        allow: [Album];

        /// Resizes one picture.
        #[concurrency = 1]
        #[attempts = 5]
        #[backoff = "50ms"]
        queued balanced fn resize(picture: u32);
    }
}

const JOBS: u32 = 30;
/// The picture that can be resized at the third attempt only.
const BUSY: u32 = 7;
/// The picture that does not exist.
const MISSING: u32 = 13;

struct Resizer {
    all_work: Arc<Barrier>,
    /// Tells `main` of each attempt: the worker, and whether the job is done.
    told: mpsc::Sender<(String, bool)>,
}

impl WorkerHandler for Resizer {
    async fn resize(&self, cx: Context<Worker>, picture: u32) -> Result<(), JobError> {
        // Three jobs wait for each other. As a worker runs one job at a time, each of the three gets one of them.
        if picture <= 3 {
            self.all_work.wait().await;
        }
        let result = match (picture, cx.job().map(|job| job.attempt)) {
            // It is tried again, as after any error that is returned with `?`.
            (BUSY, Some(1 | 2)) => Err(JobError::retry("somebody edits it")),
            (MISSING, _) => Err(JobError::discard("there is no such picture")),
            _ => Ok(()),
        };
        let told = (cx.instance().to_string(), result.is_ok());
        // An error means that `main` has ended.
        let _ = self.told.send(told).await;
        result
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let redis = env::var("MESH_REDIS_URL")
        .ok()
        .filter(|url| !url.is_empty());
    let place = redis.as_ref().map_or("memory", |_| "Redis");
    println!("the queue is in {place}");
    // The workers of one process can share a queue in memory. By default each has its own.
    let memory: Arc<dyn Queue> = Arc::new(MemoryQueue::new());

    let mesh = TestMesh::<Pictures>::start().await?;
    let (told, mut news) = mpsc::channel(16);
    let all_work = Arc::new(Barrier::new(3));
    let mut workers = Vec::new();
    for name in ["worker-1", "worker-2", "worker-3"] {
        let queue = match &redis {
            Some(url) => in_redis(url).await?,
            None => Arc::clone(&memory),
        };
        let worker = Worker::node(Resizer {
            all_work: Arc::clone(&all_work),
            told: told.clone(),
        });
        let worker = worker.instance(name).queue(queue);
        workers.push(mesh.start_node(worker).await?);
    }
    let album = mesh.start_node(Album::node()).await?;
    album.ready::<Worker>(workers.len()).await?;
    let worker = album.client::<Worker>();
    for picture in 1..=JOBS {
        worker.resize(picture).await?;
    }
    println!("{JOBS} jobs are queued");

    // One job needs three attempts, the others one each.
    let (mut done, mut ran_on) = (0, BTreeSet::new());
    for _ in 0..JOBS + 2 {
        let news = timeout(Duration::from_secs(10), news.recv()).await?;
        let (worker, is_done) = news.ok_or("the workers have ended")?;
        ran_on.insert(worker);
        done += u32::from(is_done);
    }
    println!("{done} jobs are done, by {} workers", ran_on.len());

    // A shutdown waits until the queue knows how the last jobs ended. What it holds can still be read.
    album.shutdown().await;
    for worker in &workers {
        worker.shutdown().await;
    }
    let queue = workers[0].queues().resize();
    let letters = queue.dead_letters(10).await?;
    for letter in &letters {
        let (picture,) = letter.args().ok_or("a dead letter cannot be opened")??;
        let (attempts, error) = (letter.attempts, &letter.error);
        println!("picture {picture} is a dead letter after {attempts} attempt: {error}");
    }
    queue.purge_all().await?;
    if (done, ran_on.len(), letters.len()) != (JOBS - 1, 3, 1) {
        return Err("29 jobs on 3 workers and one dead letter were expected".into());
    }
    println!("ok: no job is lost, and none is tried in vain");
    Ok(())
}

/// The queue, as one worker sees it. Each run has one of its own, so that nothing is left over from the previous run.
#[cfg(feature = "redis")]
async fn in_redis(url: &str) -> Result<Arc<dyn Queue>, Box<dyn Error>> {
    let queue = mesh_runtime::queue::RedisQueue::connect(url).await?;
    let run = format!("worker-pool-{}", std::process::id());
    Ok(Arc::new(queue.prefix(run)))
}

#[cfg(not(feature = "redis"))]
async fn in_redis(_url: &str) -> Result<Arc<dyn Queue>, Box<dyn Error>> {
    Err("MESH_REDIS_URL is set: run this example with `--features redis`".into())
}
