//! A job engine with a deliberate defect, to check that tests detect it.

use std::sync::Arc;

use bytes::Bytes;
use mesh_runtime::{
    Enqueued, Failure, Job, JobId, NewJob, Queue, QueueFuture, QueueName, QueueStats,
    StoredDeadLetter,
};

/// The defect of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Jobs are completed before their handlers run.
    AckFirst,
    /// Jobs are never completed: the request is printed on standard output and otherwise ignored.
    NeverAck,
}

/// The engine `Q`, with a defect.
pub struct Planted<Q> {
    engine: Arc<Q>,
    defect: Defect,
}

impl<Q: Queue> Planted<Q> {
    /// Adds the defect to an engine.
    pub fn new(engine: Q, defect: Defect) -> Self {
        Self {
            engine: Arc::new(engine),
            defect,
        }
    }
}

impl<Q: Queue> Queue for Planted<Q> {
    fn is_durable(&self) -> bool {
        self.engine.is_durable()
    }

    fn enqueue<'a>(&'a self, queue: &'a QueueName, job: NewJob) -> QueueFuture<'a, Enqueued> {
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
        let _ = queue;
        Box::pin(async move {
            if self.defect == Defect::NeverAck {
                println!("ending {}", job.id);
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }

    fn fail<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a Job,
        error: Bytes,
        failure: Failure,
    ) -> QueueFuture<'a, ()> {
        self.engine.fail(queue, job, error, failure)
    }

    fn release<'a>(&'a self, queue: &'a QueueName, job: &'a Job) -> QueueFuture<'a, ()> {
        self.engine.release(queue, job)
    }

    fn leave<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        self.engine.leave(queue)
    }

    fn orphans<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, Vec<QueueName>> {
        self.engine.orphans(queue)
    }

    fn stats<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, QueueStats> {
        self.engine.stats(queue)
    }

    fn pause<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        self.engine.pause(queue)
    }

    fn resume<'a>(&'a self, queue: &'a QueueName) -> QueueFuture<'a, ()> {
        self.engine.resume(queue)
    }

    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        max: usize,
    ) -> QueueFuture<'a, Vec<StoredDeadLetter>> {
        self.engine.dead_letters(queue, max)
    }

    fn dead_letter<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
    ) -> QueueFuture<'a, Option<StoredDeadLetter>> {
        self.engine.dead_letter(queue, job)
    }

    fn requeue<'a>(
        &'a self,
        queue: &'a QueueName,
        job: &'a JobId,
        payload: Bytes,
    ) -> QueueFuture<'a, bool> {
        self.engine.requeue(queue, job, payload)
    }

    fn purge<'a>(&'a self, queue: &'a QueueName, job: &'a JobId) -> QueueFuture<'a, bool> {
        self.engine.purge(queue, job)
    }
}
