//! The mesh of the fault tests of queues: a caller, and workers whose jobs tell of themselves.

use std::time::Duration;

use mesh_runtime::{Context, JobError, mesh_schema};

mesh_schema! {
    /// A mesh that works jobs off while things are done to it.
    pub mesh Factory;

    /// Queues jobs.
    node Office { allow: []; connect: [Bench]; }

    /// Works them off.
    node Bench {
        allow: [Office];
        connect: [];

        /// Takes that long.
        #[attempts = 50]
        #[backoff = "50ms"]
        #[concurrency = 4]
        queued balanced fn work(number: u64, millis: u32);

        /// Never ends well.
        #[attempts = 3]
        #[backoff = "20ms"]
        queued balanced fn doomed(number: u64);

        /// A job for each; those of a bench that is gone are adopted.
        #[orphans = "adopt"]
        queued broadcast fn adopted(number: u64);

        /// A job for each; those of a bench that is gone are dead letters.
        queued broadcast fn stored(number: u64);
    }
}

/// What a worker says of a job.
pub(crate) type Say = fn(&str);

/// The handler: says what it begins and what it has done.
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

    async fn stored(&self, cx: Context<Bench>, number: u64) -> Result<(), JobError> {
        self.run(&cx, number, Duration::ZERO).await;
        Ok(())
    }
}
