//! The mesh of the fault tests of queues: a caller, and workers whose jobs report what they do.

use std::time::Duration;

use mesh_runtime::{Context, JobError, mesh_schema};

mesh_schema! {
    /// A mesh that runs jobs while faults are injected.
    pub mesh Factory;

    /// Queues jobs.
    node Office { allow: []; connect: [Bench]; }

    /// Runs jobs.
    node Bench {
        allow: [Office];
        connect: [];

        /// Takes `millis` milliseconds.
        #[attempts = 50]
        #[backoff = "50ms"]
        #[concurrency = 4]
        queued balanced fn work(number: u64, millis: u32);

        /// Never succeeds.
        #[attempts = 3]
        #[backoff = "20ms"]
        queued balanced fn doomed(number: u64);

        /// A job for each instance; those of a bench that is gone are adopted.
        #[orphans = "adopt"]
        queued broadcast fn adopted(number: u64);

        /// A job for each instance; those of a bench that is gone become dead letters.
        queued broadcast fn given_up(number: u64);
    }
}

/// Prints what a worker reports about a job.
pub(crate) type Say = fn(&str);

/// The handler: reports what it begins and what it has done.
pub(crate) struct Hands {
    pub(crate) say: Say,
}

impl Hands {
    async fn run(&self, cx: &Context<Bench>, number: u64, span: Duration) {
        let job = cx.job().expect("only jobs come here");
        (self.say)(&format!("start {} {} {number}", job.id, job.attempt));
        tokio::time::sleep(span).await;
        (self.say)(&format!("done {} {} {number}", job.id, job.attempt));
    }
}

impl BenchHandler for Hands {
    async fn work(&self, cx: Context<Bench>, number: u64, millis: u32) -> Result<(), JobError> {
        let span = Duration::from_millis(millis.into());
        self.run(&cx, number, span).await;
        Ok(())
    }

    async fn doomed(&self, cx: Context<Bench>, number: u64) -> Result<(), JobError> {
        let job = cx.job().expect("only jobs come here");
        (self.say)(&format!("start {} {} {number}", job.id, job.attempt));
        panic!("doomed {number}");
    }

    async fn adopted(&self, cx: Context<Bench>, number: u64) -> Result<(), JobError> {
        self.run(&cx, number, Duration::ZERO).await;
        Ok(())
    }

    async fn given_up(&self, cx: Context<Bench>, number: u64) -> Result<(), JobError> {
        self.run(&cx, number, Duration::ZERO).await;
        Ok(())
    }
}
