//! What runs behind a node's handle, and how it ends.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::{core::NodeCore, jobs::Jobs};
use crate::{close::CloseCode, probes::Probes, socketio::Server};

/// How long the drain pings on all links may take, and later the closing handshakes on all connections.
const CLOSING_HANDSHAKE: Duration = Duration::from_secs(2);

/// What a shutdown had to leave unfinished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Handlers that were still running at the end of the grace period, or whose answer was still waiting for room on
    /// the link. Those of calls were dropped. Those of broadcasts, and the queueing of jobs, go on for as long as the
    /// runtime does.
    pub unfinished_calls: usize,
    /// Jobs that were not finished at the end of the grace period. With a durable engine, these are the jobs that were
    /// returned to the queue, for others to run. In memory, these are all jobs that were waiting, delayed or running;
    /// they are lost.
    pub unfinished_jobs: u64,
}

/// A running node. Dropping it ends the node without a grace period.
pub(crate) struct RunningNode {
    pub(crate) core: Arc<NodeCore>,
    pub(crate) addr: SocketAddr,
    /// Where metrics are served, if they are.
    pub(crate) metrics: Option<SocketAddr>,
    jobs: Mutex<Option<Jobs>>,
    /// A shutdown has begun.
    draining: AtomicBool,
    /// Set once everything is closed.
    ended: watch::Receiver<Option<ShutdownReport>>,
    report: watch::Sender<ShutdownReport>,
}

impl RunningNode {
    pub(crate) fn start(
        core: Arc<NodeCore>,
        addr: SocketAddr,
        probes: Option<Probes>,
        server: Server,
        jobs: Jobs,
        registration: JoinHandle<()>,
    ) -> Arc<Self> {
        let (report, reported) = watch::channel(ShutdownReport::default());
        let (end, ended) = watch::channel(None);
        let closing = Arc::clone(&core);
        let metrics = probes.as_ref().map(|probes| probes.addr);
        tokio::spawn(async move {
            closing.local.closed.cancelled().await;
            close(&closing, server, probes, registration).await;
            end.send_replace(Some(*reported.borrow()));
        });
        let running = Arc::new(Self {
            core,
            addr,
            metrics,
            jobs: Mutex::new(Some(jobs)),
            draining: AtomicBool::new(false),
            ended,
            report,
        });
        tokio::spawn(drain_when_asked(Arc::downgrade(&running)));
        running
    }

    /// Waits until the node shuts down.
    pub(crate) async fn draining(&self) {
        self.core.local.draining.cancelled().await;
    }

    /// Drains, closes, and reports what was left. Once begun, it continues even if the future is dropped. A second call
    /// waits for the first.
    pub(crate) async fn shutdown(self: &Arc<Self>) -> ShutdownReport {
        if !self.draining.swap(true, Ordering::AcqRel) {
            self.core.drain();
            tokio::spawn(drain(Arc::clone(self)));
        }
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(report) => report.unwrap_or_default(),
            Err(_) => ShutdownReport::default(),
        }
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        self.core.local.draining.cancel();
        self.core.local.closed.cancel();
    }
}

/// Shuts the node down when an operator asks for it. Does not keep the node.
async fn drain_when_asked(running: Weak<RunningNode>) {
    let Some(core) = running.upgrade().map(|running| Arc::clone(&running.core)) else {
        return;
    };
    tokio::select! {
        () = core.drain_asked.cancelled() => {}
        () = core.local.closed.cancelled() => return,
    }
    drop(core);
    if let Some(running) = running.upgrade() {
        running.shutdown().await;
    }
}

/// Lets calls and jobs end within the grace period, then closes.
async fn drain(running: Arc<RunningNode>) {
    let core = &running.core;
    let grace = core.config.grace;
    let deadline = Instant::now() + grace;
    tracing::info!(node = %core.local.id, ?grace, "draining");
    core.local.handlers.close();
    core.local.calls.close();
    let jobs = running
        .jobs
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let jobs = async {
        match jobs {
            Some(jobs) => jobs.stop(grace).await,
            None => 0,
        }
    };
    // A call that was sent before the other end knew of the shutdown may still be on its way. Its caller must be told
    // that it did not run. After that no more handlers begin.
    let links = core.links();
    let settled = join_all(links.iter().map(|link| link.settled()));
    let settled =
        tokio::time::timeout_at(deadline.min(Instant::now() + CLOSING_HANDSHAKE), settled);
    let calls = tokio::time::timeout_at(deadline, async {
        let _ = settled.await;
        core.local.handlers.wait().await;
        core.local.calls.wait().await;
    });
    let (unfinished_jobs, _) = tokio::join!(jobs, calls);
    let report = ShutdownReport {
        unfinished_calls: core.local.handlers.len(),
        unfinished_jobs,
    };
    if report != ShutdownReport::default() {
        tracing::warn!(node = %core.local.id, ?report, "the grace is over; not everything was finished");
    }
    running.report.send_replace(report);
    core.local.closed.cancel();
}

/// Closes every connection with a goodbye, and stops listening.
async fn close(
    core: &NodeCore,
    server: Server,
    probes: Option<Probes>,
    registration: JoinHandle<()>,
) {
    let _ = registration.await;
    for link in core.links() {
        link.close(CloseCode::ShuttingDown);
    }
    core.operators.close();
    core.connections.close();
    let _ = tokio::time::timeout(CLOSING_HANDSHAKE, core.connections.wait()).await;
    server.stop().await;
    if let Some(probes) = probes {
        probes.closed().await;
    }
    tracing::info!(node = %core.local.id, "ended");
}
