//! A small mesh with queued commands, and a handler that does what the text of a job says.

use std::sync::Arc;

use mesh_runtime::{Context, JobError, JobId, Node, NodeType, mesh_schema, queue::CommandQueue};
use tokio::sync::{mpsc, watch};

mesh_schema! {
    /// The mesh of these tests.
    pub(crate) mesh Workshop;

    /// Queues jobs.
    node Office {
        allow: [];
        connect: [Bench];
    }

    /// Runs jobs.
    node Bench {
        allow: [Office];
        connect: [];

        /// Runs on one instance. Its text says what it does.
        #[attempts = 3]
        #[backoff = "10ms"]
        #[timeout = "60s"]
        queued balanced fn job(text: String);

        /// Runs on each instance.
        #[attempts = 3]
        #[backoff = "10ms"]
        #[timeout = "60s"]
        queued broadcast fn jobs(text: String);

        /// Two at a time.
        #[concurrency = 2]
        #[attempts = 3]
        #[timeout = "60s"]
        queued balanced fn two_at_a_time(text: String);
    }
}

/// The queue of a command of `Bench`, for code that is the same for several commands.
pub(crate) fn queue(bench: &Node<Bench>, command: &str) -> CommandQueue<(String,)> {
    match command {
        "job" => bench.queues().job(),
        "jobs" => bench.queues().jobs(),
        "two_at_a_time" => bench.queues().two_at_a_time(),
        other => panic!("`Bench` has no queued command `{other}`"),
    }
}

/// A run of a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) instance: String,
    pub(crate) id: JobId,
    pub(crate) attempt: u32,
    pub(crate) text: String,
}

/// Receives the runs of the handlers.
pub(crate) struct Runs(mpsc::UnboundedReceiver<Run>);

impl Runs {
    /// The next run that has begun.
    pub(crate) async fn next(&mut self) -> Run {
        self.0.recv().await.expect("every worker is gone")
    }

    /// The texts of the next `count` runs, sorted.
    pub(crate) async fn next_texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.next().await.text);
        }
        texts.sort();
        texts
    }

    /// The runs that have begun and were not taken yet.
    pub(crate) fn so_far(&mut self) -> Vec<Run> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// The handler. Its clones share the gate.
#[derive(Clone)]
pub(crate) struct Worker {
    runs: mpsc::UnboundedSender<Run>,
    open: Arc<watch::Sender<bool>>,
}

impl Worker {
    /// A handler with a closed gate, and the receiver of its runs.
    pub(crate) fn new() -> (Self, Runs) {
        let (runs, told) = mpsc::unbounded_channel();
        let open = Arc::new(watch::Sender::new(false));
        (Self { runs, open }, Runs(told))
    }

    /// Opens the gate for all jobs that wait at it, and all that come later.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Another handler that reports to the same receiver, with a gate of its own.
    pub(crate) fn another(&self) -> Self {
        Self {
            runs: self.runs.clone(),
            open: Arc::new(watch::Sender::new(false)),
        }
    }

    async fn work<N: NodeType>(&self, cx: &Context<N>, text: String) -> Result<(), JobError> {
        let job = cx.job().expect("a queued command has a job");
        // The test may have dropped the receiver.
        let _ = self.runs.send(Run {
            instance: cx.instance().to_string(),
            id: job.id.clone(),
            attempt: job.attempt,
            text: text.clone(),
        });
        match text.split(' ').next() {
            Some("fail") => Err(JobError::retry(format!("{text}: attempt {}", job.attempt))),
            Some("fail-once") if job.attempt == 1 => Err(JobError::retry(text)),
            Some("discard") => Err(JobError::discard(text)),
            Some("panic") => panic!("{text}"),
            Some("hold") => {
                // The sender lives as long as this handler.
                let _ = self.open.subscribe().wait_for(|open| *open).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl BenchHandler for Worker {
    async fn job(&self, cx: Context<Bench>, text: String) -> Result<(), JobError> {
        self.work(&cx, text).await
    }

    async fn jobs(&self, cx: Context<Bench>, text: String) -> Result<(), JobError> {
        self.work(&cx, text).await
    }

    async fn two_at_a_time(&self, cx: Context<Bench>, text: String) -> Result<(), JobError> {
        self.work(&cx, text).await
    }
}
