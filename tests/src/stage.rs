//! The handler behind every node of the test mesh: reports to its test what it is called with, and waits at a gate that
//! the test opens.

use std::{sync::Arc, time::Duration};

use mesh_runtime::{Context, InstanceId, JobError, NodeId, NodeType};
use tokio::sync::{mpsc, watch};

use crate::schema::{Back, BackHandler, Front, FrontHandler, Ledger, LedgerHandler};

/// A call or job that a handler received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heard {
    /// The instance that received it.
    pub instance: InstanceId,
    /// Its argument, or `dropped` when a handler was dropped before its end.
    pub text: String,
    /// The caller; `None` for a job.
    pub caller: Option<NodeId>,
    /// The time left until its deadline.
    pub remaining: Option<Duration>,
}

/// Receives what the handlers of a test report.
#[derive(Debug)]
pub struct Hearing(mpsc::UnboundedReceiver<Heard>);

impl Hearing {
    /// The next report.
    pub async fn next(&mut self) -> Heard {
        self.0.recv().await.expect("every handler is gone")
    }

    /// The next `count` reports, as instance and text, sorted.
    pub async fn next_sorted(&mut self, count: usize) -> Vec<(String, String)> {
        let mut heard = Vec::with_capacity(count);
        for _ in 0..count {
            let Heard { instance, text, .. } = self.next().await;
            heard.push((instance.to_string(), text));
        }
        heard.sort();
        heard
    }

    /// The reports that have arrived and were not taken yet.
    pub fn so_far(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// A handler for every node type. Its clones share the gate.
#[derive(Debug, Clone)]
pub struct Stage {
    heard: mpsc::UnboundedSender<Heard>,
    open: Arc<watch::Sender<bool>>,
    refuses_jobs: bool,
}

impl Stage {
    /// A handler with an open gate, and the receiver of its reports.
    pub fn new() -> (Self, Hearing) {
        let (heard, hearing) = mpsc::unbounded_channel();
        let open = Arc::new(watch::Sender::new(true));
        let stage = Self {
            heard,
            open,
            refuses_jobs: false,
        };
        (stage, Hearing(hearing))
    }

    /// A handler with an open gate whose reports nobody receives.
    pub fn quiet() -> Self {
        Self::new().0
    }

    /// Another handler that reports to the same receiver, with a closed gate of its own.
    pub fn behind_closed_gate(&self) -> Self {
        Self {
            heard: self.heard.clone(),
            open: Arc::new(watch::Sender::new(false)),
            refuses_jobs: self.refuses_jobs,
        }
    }

    /// Another handler that discards all jobs without reporting them.
    pub fn refusing_jobs(&self) -> Self {
        Self {
            refuses_jobs: true,
            ..self.clone()
        }
    }

    /// Opens the gate for everything that waits at it, and everything that comes later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    fn hear<N: NodeType>(&self, cx: &Context<N>, text: impl Into<String>) {
        // The test may have dropped the receiver.
        let _ = self.heard.send(Heard {
            instance: cx.instance().clone(),
            text: text.into(),
            caller: cx.caller().map(|caller| caller.node.clone()),
            remaining: cx.remaining(),
        });
    }

    async fn pass_gate(&self) {
        // The sender lives as long as this handler.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    async fn work<N: NodeType>(&self, cx: Context<N>, text: String) -> Result<(), JobError> {
        self.pass_gate().await;
        if self.refuses_jobs {
            return Err(JobError::discard(format!("{text} is refused")));
        }
        self.hear(&cx, text);
        Ok(())
    }

    async fn wait<N: NodeType>(&self, cx: Context<N>, text: String) -> String {
        self.hear(&cx, text);
        let mut until_done = TellIfDropped {
            stage: self,
            cx: Some(&cx),
        };
        self.pass_gate().await;
        until_done.cx = None;
        cx.instance().to_string()
    }
}

struct TellIfDropped<'a, N: NodeType> {
    stage: &'a Stage,
    cx: Option<&'a Context<N>>,
}

impl<N: NodeType> Drop for TellIfDropped<'_, N> {
    fn drop(&mut self) {
        if let Some(cx) = self.cx {
            self.stage.hear(cx, "dropped");
        }
    }
}

impl FrontHandler for Stage {
    async fn front_name(&self, cx: Context<Front>) -> String {
        cx.instance().to_string()
    }

    async fn front_names(&self, cx: Context<Front>) -> String {
        cx.instance().to_string()
    }

    async fn front_job(&self, cx: Context<Front>, text: String) -> Result<(), JobError> {
        self.hear(&cx, text);
        Ok(())
    }
}

impl BackHandler for Stage {
    async fn name(&self, cx: Context<Back>) -> String {
        cx.instance().to_string()
    }

    async fn take(&self, cx: Context<Back>, text: String) {
        self.hear(&cx, text);
    }

    async fn names(&self, cx: Context<Back>) -> String {
        cx.instance().to_string()
    }

    async fn hint(&self, cx: Context<Back>, text: String) {
        self.hear(&cx, text);
    }

    async fn job(&self, cx: Context<Back>, text: String) -> Result<(), JobError> {
        self.work(cx, text).await
    }

    async fn jobs(&self, cx: Context<Back>, text: String) -> Result<(), JobError> {
        self.work(cx, text).await
    }

    async fn wait(&self, cx: Context<Back>, text: String) -> String {
        Self::wait(self, cx, text).await
    }

    async fn wait_again(&self, cx: Context<Back>, text: String) -> String {
        Self::wait(self, cx, text).await
    }

    async fn hurry(&self, cx: Context<Back>, text: String) -> String {
        Self::wait(self, cx, text).await
    }

    async fn waits(&self, cx: Context<Back>, text: String) -> String {
        Self::wait(self, cx, text).await
    }

    async fn alone(&self, cx: Context<Back>, text: String) -> String {
        Self::wait(self, cx, text).await
    }

    async fn sticky(&self, cx: Context<Back>, _key: String) -> String {
        cx.instance().to_string()
    }

    async fn among_us(&self, cx: Context<Back>) -> String {
        cx.instance().to_string()
    }

    async fn fall(&self, _cx: Context<Back>, text: String) -> String {
        panic!("{text}")
    }

    async fn record(&self, cx: Context<Back>, text: String) -> String {
        let written = cx
            .client::<Ledger>()
            .write(text)
            .timeout(Duration::from_secs(60))
            .await;
        written.unwrap_or_else(|error| error.to_string())
    }
}

impl LedgerHandler for Stage {
    async fn write(&self, cx: Context<Ledger>, text: String) -> String {
        self.wait(cx, text).await
    }
}
