//! A job engine with a deliberate defect, to check that tests detect it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use mesh_runtime::queue::{
    Enqueued, Failure, Job, NewJob, Queue, QueueAdmin, QueueFuture, QueueName,
};

/// The defect of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Jobs are completed before their handlers run.
    AckFirst,
    /// Jobs are never completed: the request is printed on standard output and otherwise ignored.
    NeverAck,
    /// A job that failed for good is completed instead.
    NoDeadLetters,
    /// If a job is given back without having run, the attempt counts anyway.
    ReleaseCounts,
    /// Deduplication keys are ignored.
    NoKeys,
    /// Delays are ignored.
    NoDelays,
    /// A job that is set aside is leased again at once, and nobody knows that it was.
    SetAsideAtOnce,
    /// It panics when a job is to be queued.
    EnqueuePanics,
}

/// An engine with a defect.
pub struct Planted {
    engine: Arc<dyn Queue>,
    defect: Defect,
}

impl Planted {
    /// Adds the defect to an engine.
    pub fn new(engine: Arc<dyn Queue>, defect: Defect) -> Self {
        Self { engine, defect }
    }
}

impl Queue for Planted {
    fn admin(&self) -> &dyn QueueAdmin {
        self.engine.admin()
    }

    fn is_durable(&self) -> bool {
        self.engine.is_durable()
    }

    fn enqueue<'a>(&'a self, queue: &'a QueueName, mut job: NewJob) -> QueueFuture<'a, Enqueued> {
        match self.defect {
            Defect::NoKeys => job.dedupe = None,
            Defect::NoDelays => job = job.delay(Duration::ZERO),
            Defect::EnqueuePanics => panic!("out of paper"),
            _ => {}
        }
        self.engine.enqueue(queue, job)
    }

    fn lease<'a>(&'a self, queue: &'a QueueName, max: usize) -> QueueFuture<'a, Vec<Job>> {
        Box::pin(async move {
            let jobs = self.engine.lease(queue, max).await?;
            if self.defect == Defect::AckFirst {
                for job in &jobs {
                    self.engine.complete(queue, job).await?;
                }
            }
            Ok(jobs)
        })
    }

    fn complete<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        match self.defect {
            Defect::AckFirst => Box::pin(async { Ok(()) }),
            Defect::NeverAck => Box::pin(async move {
                println!("ending {}", job.id);
                std::future::pending().await
            }),
            _ => self.engine.complete(queue, job),
        }
    }

    fn fail<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        error: Bytes,
        failure: Failure,
    ) -> QueueFuture<'a, ()> {
        match (self.defect, failure) {
            (Defect::NoDeadLetters, Failure::Dead) => self.engine.complete(queue, job),
            _ => self.engine.fail(queue, job, error, failure),
        }
    }

    fn release<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        if self.defect == Defect::ReleaseCounts {
            let after = Duration::ZERO;
            return self
                .engine
                .fail(queue, job, Bytes::new(), Failure::Retry { after });
        }
        self.engine.release(queue, job)
    }

    fn set_aside<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        wait: Duration,
    ) -> QueueFuture<'a, ()> {
        match self.defect {
            Defect::SetAsideAtOnce => self.engine.release(queue, job),
            _ => self.engine.set_aside(queue, job, wait),
        }
    }

    fn leave<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        self.engine.leave(queue)
    }

    fn orphans<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, Vec<QueueName>> {
        self.engine.orphans(queue)
    }
}
