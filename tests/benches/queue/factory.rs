//! A caller and workers in this process, whose jobs are in Redis.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use mesh_runtime::{Context, JobError, Node, mesh_schema, queue::RedisQueue, testing::TestMesh};
use tokio::sync::{Notify, mpsc, watch};

use crate::Failure;

/// Bytes of a job's argument.
pub(crate) const PAYLOAD: usize = 64;
/// Number of concurrent callers.
const CALLERS: usize = 64;
/// Number of concurrent handlers on each node, as in the schema.
const HANDLERS: usize = 64;
/// Longer than anything takes.
const NEVER: Duration = Duration::from_secs(120);

mesh_schema! {
    /// Only jobs.
    mesh Jobs;

    node Office { allow: []; connect: [Bench]; }

    node Bench {
        allow: [Office];
        connect: [];

        #[concurrency = 64]
        queued balanced fn work(payload: Vec<u8>);
    }
}

/// The handler: waits at the gate, and counts.
#[derive(Clone)]
struct Hands {
    open: watch::Receiver<bool>,
    held: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
    /// The number of finished jobs to wait for, and the notification when it is reached.
    enough: Arc<(AtomicUsize, Notify)>,
    begun: mpsc::UnboundedSender<Instant>,
}

impl BenchHandler for Hands {
    async fn work(&self, _cx: Context<Bench>, payload: Vec<u8>) -> Result<(), JobError> {
        let begun = Instant::now();
        if !*self.open.borrow() {
            self.held.fetch_add(1, Ordering::Relaxed);
            let mut open = self.open.clone();
            open.wait_for(|open| *open).await?;
        }
        if payload.is_empty() {
            let _ = self.begun.send(begun);
        }
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done == self.enough.0.load(Ordering::Relaxed) {
            self.enough.1.notify_one();
        }
        Ok(())
    }
}

pub(crate) struct Factory {
    // Shut down when dropped.
    _mesh: TestMesh<Jobs>,
    office: Node<Office>,
    benches: Vec<Node<Bench>>,
    hands: Hands,
    gate: watch::Sender<bool>,
    begun: mpsc::UnboundedReceiver<Instant>,
}

impl Factory {
    pub(crate) async fn start(redis: &str, nodes: usize) -> Result<Self, Failure> {
        let (gate, open) = watch::channel(true);
        let (begin, begun) = mpsc::unbounded_channel();
        let hands = Hands {
            open,
            held: Arc::default(),
            done: Arc::default(),
            enough: Arc::default(),
            begun: begin,
        };
        let mesh = TestMesh::<Jobs>::start().await?;
        let mut benches = Vec::new();
        for _ in 0..nodes {
            // One engine per node, as if each were a process.
            let queue = RedisQueue::connect(redis).await?;
            let bench = Bench::node(hands.clone()).queue(Arc::new(queue));
            benches.push(mesh.start_node(bench).await?);
        }
        let office = mesh.start_node(Office::node()).await?;
        office.ready::<Bench>(nodes).await?;
        Ok(Self {
            _mesh: mesh,
            office,
            benches,
            hands,
            gate,
            begun,
        })
    }

    /// Gives every handler a job that does not end before the gate opens, so that no other job is run.
    pub(crate) async fn hold(&self) -> Result<(), Failure> {
        self.gate.send_replace(false);
        let jobs = HANDLERS * self.benches.len();
        while self.hands.held.load(Ordering::Relaxed) < jobs {
            let missing = jobs - self.hands.held.load(Ordering::Relaxed);
            for _ in 0..missing {
                self.office.client::<Bench>().work(vec![1]).await?;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// How long 64 callers take to queue `jobs` jobs, each caller one after the other.
    pub(crate) async fn accept(&self, jobs: usize) -> Result<Duration, Failure> {
        let left = Arc::new(AtomicUsize::new(jobs));
        let begun = Instant::now();
        let callers = (0..CALLERS).map(|_| {
            let (client, left) = (self.office.client::<Bench>(), Arc::clone(&left));
            tokio::spawn(async move {
                let take = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    client.work(vec![7; PAYLOAD]).await?;
                }
                Ok::<_, mesh_runtime::CallError>(())
            })
        });
        for caller in join_all(callers).await {
            caller??;
        }
        Ok(begun.elapsed())
    }

    /// How long it takes to run `jobs` jobs, including those that are held.
    pub(crate) async fn work_off(&self, jobs: usize) -> Result<Duration, Failure> {
        self.hands.enough.0.store(jobs, Ordering::Relaxed);
        let begun = Instant::now();
        self.gate.send_replace(true);
        tokio::time::timeout(NEVER, self.hands.enough.1.notified()).await?;
        Ok(begun.elapsed())
    }

    /// The time from the call of a stub to the start of the handler.
    pub(crate) async fn one(&mut self) -> Result<Duration, Failure> {
        let client = self.office.client::<Bench>();
        let called = Instant::now();
        client.work(Vec::new()).await?;
        let begun = tokio::time::timeout(NEVER, self.begun.recv()).await?;
        let begun = begun.ok_or("the handler is gone")?;
        // The job ends before the next begins.
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(begun - called)
    }

    pub(crate) async fn end(self) {
        for bench in &self.benches {
            bench.shutdown().await;
        }
        self.office.shutdown().await;
    }
}
