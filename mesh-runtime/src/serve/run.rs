//! Runs handlers. This module asks the hooks, waits for the permit, enforces the deadline, ends the handler when the
//! caller gives up, catches panics, and passes the result to whoever waits for it. It knows nothing of the types of a
//! command: the handler is a boxed future, so that this code is compiled once and not for each command
//! (docs/performance.md).

use std::{borrow::Cow, future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{AbortHandle, Abortable, BoxFuture},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tracing::{Instrument, Span};

use super::{
    context::Origin,
    hooked::HookedRequest,
    request::{JobResult, JobRun, NoReply},
};
use crate::{
    error::{CodecError, JobError},
    hook::{Refused, RequestKind, RequestOutcome},
    id::CommandName,
    link::serving::CallReply,
    metrics::EndStatus,
    panic_text::panic_text,
    queue::{JobOutcome, QueueError},
    schema::CommandSpec,
    spans,
    trace::TraceRelation,
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

impl NoAnswer {
    /// That a queue, which all instances share or not, did not take a job.
    pub(super) fn unqueued(error: QueueError, shared: bool) -> Self {
        let mut failed = Self::from(error);
        if shared && failed.code == FailureCode::QueueFull {
            failed.code = FailureCode::SharedQueueFull;
        }
        failed
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
    Refused(Refused),
    Panicked(String),
    BadArguments(CodecError),
    DeadlineExceeded,
}

/// What a handler returns, as far as it says that something failed.
trait Returned {
    /// What failed. `None` if nothing did.
    fn failure(&self) -> Option<(EndStatus, Cow<'_, str>)>;
}

impl Returned for () {
    fn failure(&self) -> Option<(EndStatus, Cow<'_, str>)> {
        None
    }
}

impl Returned for Result<Bytes, NoAnswer> {
    fn failure(&self) -> Option<(EndStatus, Cow<'_, str>)> {
        let failed = self.as_ref().err()?;
        Some((EndStatus::from(failed.code), failed.why.as_str().into()))
    }
}

impl Returned for Result<(), JobError> {
    fn failure(&self) -> Option<(EndStatus, Cow<'_, str>)> {
        let error = self.as_ref().err()?;
        Some((EndStatus::Failed, error.to_string().into()))
    }
}

impl<T: Returned> Ended<T> {
    fn status(&self) -> EndStatus {
        match self {
            Self::Done(returned) => returned
                .failure()
                .map_or(EndStatus::Ok, |(status, _)| status),
            Self::Refused(_) => EndStatus::Refused,
            Self::Panicked(_) => EndStatus::HandlerPanicked,
            Self::BadArguments(_) => EndStatus::Incompatible,
            Self::DeadlineExceeded => EndStatus::DeadlineExceeded,
        }
    }
}

/// A handler that is about to run.
pub(crate) struct Run {
    /// The name of the command.
    command: &'static str,
    deadline: Option<Instant>,
    permits: Option<Arc<Semaphore>>,
    /// `None` if nobody wants to know.
    observed: Option<Box<Observed>>,
}

/// What hooks and spans are to be told of a run. If it is dropped before its end, they hear that it was dropped.
struct Observed {
    span: Span,
    ended: bool,
    /// `None` without hooks.
    hooked: Option<HookedRequest>,
}

impl Run {
    #[inline]
    pub(super) fn new(
        command: &'static CommandSpec,
        origin: &mut Origin,
        permits: Option<Arc<Semaphore>>,
        kind: RequestKind,
        size: usize,
    ) -> Self {
        let observed = spans::listening() || !origin.local.hooks.is_empty();
        Self {
            command: command.name,
            deadline: origin.deadline,
            permits,
            observed: observed.then(|| Observed::new(command.name, kind, origin, size)),
        }
    }

    /// The handler of a built-in command. Such a command is in no schema, and no hook hears of it.
    pub(crate) fn built_in(
        command: &'static str,
        deadline: Option<Instant>,
        permits: Option<Arc<Semaphore>>,
    ) -> Self {
        Self {
            command,
            deadline,
            permits,
            observed: None,
        }
    }

    /// Runs a handler and replies with its result, in a task of its own that ends when the caller gives up. `answered`
    /// tells how a call has ended that has this answer.
    pub(crate) fn call(
        self,
        mut reply: CallReply,
        work: Work<Result<Bytes, NoAnswer>>,
        answered: fn(&[u8]) -> EndStatus,
    ) {
        let cancelled = reply.cancelled();
        // Nobody holds the handle of one that is new, so it ends nothing.
        let cancelled = cancelled.unwrap_or_else(|| AbortHandle::new_pair().1);
        let served = async move {
            match self.run(work).await {
                Ended::Done(Ok(payload)) => {
                    let ended = answered(&payload);
                    reply.send(payload, ended);
                }
                Ended::Done(Err(NoAnswer { code, why })) => reply.fail(code, &why),
                Ended::Refused(Refused { code, message }) => reply.refuse(code, &message),
                Ended::Panicked(message) => reply.fail(FailureCode::HandlerPanicked, &message),
                Ended::BadArguments(error) => {
                    reply.fail(FailureCode::Incompatible, &bad_arguments(&error));
                }
                Ended::DeadlineExceeded => reply.fail(FailureCode::DeadlineExceeded, ""),
            }
        };
        tokio::spawn(Abortable::new(served, cancelled));
    }

    /// Queues a job and replies with the result, in a task of its own that goes on when the caller gives up: a job that
    /// is being queued is not taken back.
    pub(super) fn enqueue(self, mut reply: CallReply, work: Work<Result<Bytes, NoAnswer>>) {
        drop(reply.cancelled());
        self.call(reply, work, |_| EndStatus::Ok);
    }

    /// Runs a handler whose result nobody waits for, in a task of its own.
    pub(super) fn tell(self, reply: NoReply, work: Work<()>) {
        let command = self.command;
        tokio::spawn(async move {
            let ended = self.run(work).await;
            let NoReply {
                recording,
                _permit,
                _running,
            } = reply;
            recording.end(ended.status());
            match ended {
                Ended::Done(()) | Ended::DeadlineExceeded => {}
                Ended::Refused(refused) => {
                    tracing::warn!(command, %refused, "a hook refused a broadcast");
                }
                Ended::Panicked(message) => {
                    tracing::error!(command, %message, "the handler panicked");
                }
                Ended::BadArguments(error) => {
                    tracing::warn!(command, %error, "a broadcast could not be decoded");
                }
            }
        });
    }

    /// Returns a future that runs the handler of a job.
    pub(super) fn job(self, result: JobResult, work: Work<Result<(), JobError>>) -> JobRun {
        JobRun(Box::pin(async move {
            let ended = self.run(work).await;
            let JobResult {
                recording,
                _running,
            } = result;
            recording.end(ended.status());
            match ended {
                Ended::Done(result) => result.into(),
                Ended::Refused(refused) if refused.is_panic() => JobOutcome::Retry(refused.message),
                Ended::Refused(refused) => JobOutcome::Discard(format!("refused: {refused}")),
                Ended::Panicked(message) => JobOutcome::Panicked(message),
                Ended::BadArguments(error) => JobOutcome::Discard(bad_arguments(&error)),
                Ended::DeadlineExceeded => JobOutcome::Retry("out of time".into()),
            }
        }))
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "an async function would keep its arguments twice"
    )]
    fn run<T: Returned + Send + 'static>(
        mut self,
        work: Work<T>,
    ) -> impl Future<Output = Ended<T>> + Send + 'static {
        async move {
            if let Some(observed) = self.observed.take() {
                return observed.run(self, work).await;
            }
            let Ok(_permit) = permit(self.permits, self.deadline).await else {
                return Ended::DeadlineExceeded;
            };
            let work = AssertUnwindSafe(work).catch_unwind();
            match in_time(self.deadline, work).await {
                Ok(Ok(Ok(done))) => Ended::Done(done),
                Ok(Ok(Err(error))) => Ended::BadArguments(error),
                Ok(Err(panic)) => Ended::Panicked(panic_text(&*panic)),
                Err(DeadlineExceeded) => Ended::DeadlineExceeded,
            }
        }
    }
}

impl Observed {
    #[cold]
    fn new(
        command: &'static str,
        kind: RequestKind,
        origin: &mut Origin,
        size: usize,
    ) -> Box<Self> {
        let command = CommandName {
            node_type: origin.local.node_type(),
            name: command,
        };
        Box::new(Self {
            span: span(command, origin, kind),
            ended: false,
            hooked: HookedRequest::new(command, kind, origin, size),
        })
    }

    /// Boxed, so that a run of which nobody wants to know is no bigger for it.
    fn run<T: Returned + Send + 'static>(
        mut self: Box<Self>,
        run: Run,
        work: Work<T>,
    ) -> BoxFuture<'static, Ended<T>> {
        Box::pin(async move {
            let span = self.span.clone();
            let ended = async {
                match self.asked(run.deadline).await {
                    Ok(()) => run.run(work).await,
                    Err(ended) => ended,
                }
            };
            let ended = ended.instrument(span).await;
            self.note_end(&ended);
            ended
        })
    }

    /// Asks the hooks.
    async fn asked<T>(&mut self, deadline: Option<Instant>) -> Result<(), Ended<T>> {
        let Some(hooked) = &mut self.hooked else {
            return Ok(());
        };
        match in_time(deadline, hooked.ask()).await {
            Ok(asked) => asked.map_err(Ended::Refused),
            Err(DeadlineExceeded) => Err(Ended::DeadlineExceeded),
        }
    }

    /// Tells the span and the hooks how the run has ended.
    fn note_end<T: Returned>(&mut self, ended: &Ended<T>) {
        self.ended = true;
        let status = ended.status();
        if status != EndStatus::Ok {
            spans::failed(&self.span, status);
        }
        let Some(hooked) = &mut self.hooked else {
            return;
        };
        hooked.end(match ended {
            Ended::Done(returned) => match returned.failure() {
                None => RequestOutcome::Done,
                Some((_, why)) => return hooked.end(RequestOutcome::Failed(&why)),
            },
            Ended::BadArguments(error) => {
                return hooked.end(RequestOutcome::Failed(&bad_arguments(error)));
            }
            Ended::Refused(refused) => RequestOutcome::Refused(refused),
            Ended::Panicked(message) => RequestOutcome::Panicked(message),
            Ended::DeadlineExceeded => RequestOutcome::DeadlineExceeded,
        });
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if !self.ended {
            spans::failed(&self.span, EndStatus::Cancelled);
        }
    }
}

fn span(command: CommandName, origin: &Origin, kind: RequestKind) -> Span {
    let (span, relation) = match (kind, &origin.job) {
        // The caller's span stands for it.
        (RequestKind::Enqueue, _) => return Span::none(),
        (_, Some(job)) => {
            let span = spans::job(command, &job.id, job.attempt);
            (span, TraceRelation::Creator)
        }
        (_, None) => {
            let caller = origin.caller.as_ref().map(|caller| &caller.node);
            (spans::handler(command, caller), TraceRelation::Parent)
        }
    };
    if let (Some(propagator), Some(remote)) = (&origin.local.propagator, origin.carried.trace())
        && !span.is_disabled()
    {
        propagator.extract(&span, remote, relation);
    }
    span
}

async fn in_time<T>(
    deadline: Option<Instant>,
    future: impl Future<Output = T>,
) -> Result<T, DeadlineExceeded> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future)
            .await
            .map_err(|_| DeadlineExceeded),
        None => Ok(future.await),
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
    let permit = in_time(deadline, permits.acquire_owned()).await?;
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
