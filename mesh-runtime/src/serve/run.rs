//! Runs handlers. This module waits for the permit, enforces the deadline, ends the handler when the caller gives up,
//! catches panics, and passes the result to whoever waits for it. It knows nothing of the types of a command: the
//! handler is a boxed future, so that this code is compiled once and not for each command (docs/performance.md).

use std::{future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, future::Abortable};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    context::Origin,
    request::{JobRun, NoReply},
};
use crate::{
    error::{CodecError, JobError},
    link::serving::CallReply,
    panic_text::panic_text,
    queue::{JobOutcome, QueueError},
    schema::CommandSpec,
    wire::status::FailureCode,
};

/// A future that decodes the arguments, runs the handler and returns its result. An error means that the arguments
/// could not be decoded.
type Work<T> = Pin<Box<dyn Future<Output = Result<T, CodecError>> + Send>>;

/// Why a handler that has run gives no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    pub(crate) code: FailureCode,
    pub(crate) why: String,
}

impl NoAnswer {
    pub(crate) fn new(code: FailureCode, why: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
        }
    }
}

impl From<CodecError> for NoAnswer {
    fn from(error: CodecError) -> Self {
        Self::new(FailureCode::Codec, error.to_string())
    }
}

impl From<QueueError> for NoAnswer {
    fn from(error: QueueError) -> Self {
        let code = if error.is_full() {
            FailureCode::QueueFull
        } else {
            FailureCode::QueueFailed
        };
        Self::new(code, error.to_string())
    }
}

/// How a run ended.
enum Ended<T> {
    Done(T),
    Panicked(String),
    BadArguments(CodecError),
    DeadlineExceeded,
}

/// A handler that is about to run.
pub(crate) struct Run {
    /// The name of the command.
    command: &'static str,
    deadline: Option<Instant>,
    permits: Option<Arc<Semaphore>>,
    /// A shutdown waits until this is dropped.
    running: TaskTrackerToken,
}

impl Run {
    pub(super) fn new(
        command: &'static CommandSpec,
        origin: &Origin,
        permits: Option<Arc<Semaphore>>,
    ) -> Self {
        Self {
            command: command.name,
            deadline: origin.deadline,
            permits,
            running: origin.local.handlers.token(),
        }
    }

    /// The handler of a built-in command. Such a command is in no schema.
    pub(crate) fn built_in(
        command: &'static str,
        deadline: Option<Instant>,
        permits: Option<Arc<Semaphore>>,
        running: TaskTrackerToken,
    ) -> Self {
        Self {
            command,
            deadline,
            permits,
            running,
        }
    }

    /// Runs a handler and replies with its result, in a task of its own that ends when the caller gives up.
    pub(crate) fn call(self, mut reply: CallReply, work: Work<Result<Bytes, NoAnswer>>) {
        let cancelled = reply.cancelled();
        let served = async move {
            match self.run(work).await {
                Ended::Done(Ok(payload)) => reply.send(payload),
                Ended::Done(Err(NoAnswer { code, why })) => reply.fail(code, &why),
                Ended::Panicked(message) => reply.fail(FailureCode::HandlerPanicked, &message),
                Ended::BadArguments(error) => {
                    reply.fail(FailureCode::Incompatible, &bad_arguments(&error));
                }
                Ended::DeadlineExceeded => reply.fail(FailureCode::DeadlineExceeded, ""),
            }
        };
        match cancelled {
            Some(cancelled) => drop(tokio::spawn(Abortable::new(served, cancelled))),
            None => drop(tokio::spawn(served)),
        }
    }

    /// Runs a handler whose result nobody waits for, in a task of its own.
    pub(super) fn tell(self, reply: NoReply, work: Work<()>) {
        let command = self.command;
        tokio::spawn(async move {
            match self.run(work).await {
                Ended::Done(()) | Ended::DeadlineExceeded => {}
                Ended::Panicked(message) => {
                    tracing::error!(command, %message, "the handler panicked");
                }
                Ended::BadArguments(error) => {
                    tracing::warn!(command, %error, "a broadcast could not be decoded");
                }
            }
            drop(reply);
        });
    }

    /// Returns a future that runs the handler of a job.
    pub(super) fn job(self, work: Work<Result<(), JobError>>) -> JobRun {
        JobRun(Box::pin(async move {
            match self.run(work).await {
                Ended::Done(result) => result.into(),
                Ended::Panicked(message) => JobOutcome::Panicked(message),
                Ended::BadArguments(error) => JobOutcome::Discard(bad_arguments(&error)),
                Ended::DeadlineExceeded => JobOutcome::Retry("out of time".into()),
            }
        }))
    }

    async fn run<T>(self, work: Work<T>) -> Ended<T> {
        let _running = self.running;
        let Ok(_permit) = permit(self.permits, self.deadline).await else {
            return Ended::DeadlineExceeded;
        };
        let work = AssertUnwindSafe(work).catch_unwind();
        let ended = match self.deadline {
            Some(deadline) => match timeout_at(deadline, work).await {
                Ok(ended) => ended,
                Err(_) => return Ended::DeadlineExceeded,
            },
            None => work.await,
        };
        match ended {
            Ok(Ok(done)) => Ended::Done(done),
            Ok(Err(error)) => Ended::BadArguments(error),
            Err(panic) => Ended::Panicked(panic_text(&*panic)),
        }
    }
}

struct DeadlineExceeded;

/// Waits until one more handler of the command may run.
async fn permit(
    permits: Option<Arc<Semaphore>>,
    deadline: Option<Instant>,
) -> Result<Option<OwnedSemaphorePermit>, DeadlineExceeded> {
    let Some(permits) = permits else {
        return Ok(None);
    };
    let permit = permits.acquire_owned();
    let permit = match deadline {
        Some(deadline) => timeout_at(deadline, permit)
            .await
            .map_err(|_| DeadlineExceeded)?,
        None => permit.await,
    };
    // The semaphore is never closed.
    permit.map(Some).map_err(|_| DeadlineExceeded)
}

fn bad_arguments(error: &CodecError) -> String {
    format!("the arguments do not fit the command as it is declared here: {error}")
}

/// Why a command that the schema has is not served.
pub(super) fn unserved(command: &CommandSpec) -> String {
    format!("`{}` is not served here", command.name)
}
