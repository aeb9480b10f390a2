//! The jobs of a running node: a worker for each queued command, and a watch for orphans, which are the jobs of
//! instances that did not return.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::core::NodeCore;
use crate::{
    queue::{OpenedJob, OrphanPolicy, OrphanWatch, RunJob, Worker, WorkerOptions},
    schema::{CommandSpec, Delivery},
    serve::ServedCommand,
};

/// The tasks that process jobs. Dropping this ends them without a grace period.
pub(crate) struct Jobs {
    workers: Vec<Worker>,
    watches: Vec<OrphanWatch>,
}

impl Jobs {
    /// Must be called on a Tokio runtime.
    pub(crate) fn start(core: &Arc<NodeCore>) -> Self {
        let mut jobs = Self {
            workers: Vec::new(),
            watches: Vec::new(),
        };
        for entry in core.dispatcher.queued() {
            jobs.start_one(core, entry);
        }
        jobs
    }

    fn start_one(&mut self, core: &Arc<NodeCore>, entry: &ServedCommand) {
        let Some(queue) = entry.queue.clone() else {
            return;
        };
        let spec = entry.spec;
        let options = options(spec);
        let run = runner(core, spec);
        if spec.delivery == Delivery::QueuedBroadcast && queue.is_durable() {
            let policy = OrphanPolicy {
                orphans: spec.orphans,
                options,
                run: Arc::clone(&run),
            };
            let watch = OrphanWatch::start(queue.clone(), policy, core.config.grace);
            self.watches.push(watch);
        }
        self.workers.push(Worker::start(queue, options, run));
    }

    /// Stops gracefully. Returns how many jobs were not finished within the grace period.
    pub(crate) async fn stop(self, grace: Duration) -> u64 {
        let workers = join_all(self.workers.into_iter().map(|worker| worker.stop(grace)));
        let watches = join_all(self.watches.into_iter().map(OrphanWatch::stop));
        let (reports, _) = tokio::join!(workers, watches);
        reports.iter().map(|report| report.unfinished).sum()
    }
}

fn options(spec: &CommandSpec) -> WorkerOptions {
    let defaults = WorkerOptions::default();
    WorkerOptions {
        concurrency: spec
            .concurrency
            .map_or(defaults.concurrency, |handlers| handlers as usize),
        attempts: spec.attempts.unwrap_or(defaults.attempts),
        backoff: spec.backoff.unwrap_or(defaults.backoff),
        incompatible: spec.incompatible.unwrap_or(defaults.incompatible),
    }
}

fn runner(core: &Arc<NodeCore>, spec: &'static CommandSpec) -> RunJob {
    let core = Arc::clone(core);
    Arc::new(move |job: OpenedJob| {
        let core = Arc::clone(&core);
        Box::pin(async move { core.dispatcher.job(spec.id, job).await })
    })
}
