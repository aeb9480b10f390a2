//! The mesh of the hard cases: callers, and workers that can be made to hold a call.

use mesh_runtime::{Context, JobError, mesh_schema};
use tokio::sync::{Semaphore, mpsc};

mesh_schema! {
    /// A mesh into which faults are injected.
    pub mesh Hard;

    /// Calls.
    node Caller { allow: []; connect: [Worker]; }

    /// Answers.
    node Worker {
        allow: [Caller];
        connect: [];

        /// Returns its argument.
        balanced fn echo(text: String) -> String;

        /// Returns the bytes.
        #[timeout = "50s"]
        balanced fn bytes(bytes: Vec<u8>) -> Vec<u8>;

        /// Returns this many bytes.
        balanced fn fill(bytes: u32) -> Vec<u8>;

        /// Returns the number of bytes when the test allows it, one call after the other.
        #[timeout = "50s"]
        #[concurrency = 1]
        balanced fn count(bytes: Vec<u8>) -> u64;

        /// Returns when the test allows it.
        #[timeout = "50s"]
        balanced fn hold(name: String) -> u32;

        /// Runs a job.
        queued balanced fn recognizable_errand(text: String);
    }
}

/// The worker's handler: reports each call that it holds, and holds it until there is a permit.
pub(crate) struct Hands {
    holding: mpsc::UnboundedSender<String>,
    release: &'static Semaphore,
    /// Never answers `echo`.
    pub(crate) mute: bool,
}

impl Hands {
    /// A handler, the calls that it holds, and the semaphore that releases them: one permit per call.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<String>, &'static Semaphore) {
        let (holding, held) = mpsc::unbounded_channel();
        // Leaked once per test: small enough.
        let release: &Semaphore = Box::leak(Box::new(Semaphore::new(0)));
        let hands = Self {
            holding,
            release,
            mute: false,
        };
        (hands, held, release)
    }

    /// A handler for tests that hold nothing.
    pub(crate) fn idle() -> Self {
        Self::new().0
    }

    async fn wait(&self, name: String) {
        let _ = self.holding.send(name);
        if let Ok(permit) = self.release.acquire().await {
            permit.forget();
        }
    }
}

impl WorkerHandler for Hands {
    async fn echo(&self, _cx: Context<Worker>, text: String) -> String {
        if self.mute {
            std::future::pending::<()>().await;
        }
        text
    }

    async fn bytes(&self, _cx: Context<Worker>, bytes: Vec<u8>) -> Vec<u8> {
        let _ = self.holding.send(format!("{} bytes", bytes.len()));
        bytes
    }

    async fn fill(&self, _cx: Context<Worker>, bytes: u32) -> Vec<u8> {
        vec![7; bytes as usize]
    }

    async fn count(&self, _cx: Context<Worker>, bytes: Vec<u8>) -> u64 {
        self.wait(format!("count {}", bytes.len())).await;
        bytes.len() as u64
    }

    async fn hold(&self, _cx: Context<Worker>, name: String) -> u32 {
        self.wait(name).await;
        std::process::id()
    }

    async fn recognizable_errand(
        &self,
        _cx: Context<Worker>,
        text: String,
    ) -> Result<(), JobError> {
        let _ = self.holding.send(text);
        Ok(())
    }
}

/// The id of one of the worker's commands on the wire.
pub(crate) fn command(name: &str) -> u32 {
    let mut commands = Hard::SCHEMA.nodes.iter().flat_map(|node| node.commands);
    let found = commands.find(|command| command.name == name);
    found.expect("a command of the schema").id
}

/// One short text, encoded as the arguments of a call.
pub(crate) fn text_argument(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    assert!(length < 251, "a short text");
    [&[length], text.as_bytes()].concat()
}
