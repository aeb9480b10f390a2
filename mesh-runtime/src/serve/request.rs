//! One command to be served, from its encoded arguments to its encoded result. The macro's dispatch takes it apart;
//! who asked, and how the result gets there, it does not know.

use std::{
    any::Any, future::Future, marker::PhantomData, panic::AssertUnwindSafe, pin::Pin, sync::Arc,
};

use bytes::Bytes;
use futures_util::FutureExt;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::context::{Context, Origin};
use crate::{
    access::NodeType,
    error::{CodecError, JobError},
    link::serving::{Parcel, Responder, TellPlace},
    node::core::NodeCore,
    queue::JobOutcome,
    schema::CommandSpec,
    wire::{
        codec::{self, MAX_PAYLOAD},
        frame::Status,
    },
};

/// The macro's dispatch of one node type: finds the handler's method for a request.
#[doc(hidden)]
pub trait Serve<N: NodeType>: Send + Sync + 'static {
    /// Serves `request`; must not block.
    fn serve(&self, request: Request<N>);
}

/// One command to be served.
#[doc(hidden)]
pub struct Request<N: NodeType> {
    raw: RawRequest,
    node: PhantomData<fn() -> N>,
}

/// A request before its node type is known.
pub(crate) struct RawRequest {
    pub(crate) core: Arc<NodeCore>,
    pub(crate) spec: &'static CommandSpec,
    pub(crate) origin: Origin,
    pub(crate) args: Args,
    /// Bounds how many handlers of this command run at once.
    pub(crate) places: Option<Arc<Semaphore>>,
    pub(crate) answerer: Answerer,
}

/// Encoded arguments.
pub(crate) enum Args {
    /// From a link: they count against its budget until they are decoded.
    Parcel(Parcel),
    /// From a queue.
    Job(Bytes),
}

impl Args {
    fn decode<A: DeserializeOwned>(self) -> Result<A, CodecError> {
        match self {
            Self::Parcel(parcel) => codec::decode(&parcel.take()),
            Self::Job(bytes) => codec::decode(&bytes),
        }
    }
}

/// Where the result goes.
pub(crate) enum Answerer {
    Call(Responder),
    /// Nowhere; the place is given back when the handler has ended.
    Tell(#[expect(dead_code, reason = "held, not read")] TellPlace),
    Job(oneshot::Sender<JobOutcome>),
}

/// A dispatch whose node type is no longer visible.
pub(crate) trait RawServe: Send + Sync + 'static {
    fn serve(&self, raw: RawRequest);
}

/// Makes a [`RawServe`] of a typed dispatch.
pub(crate) struct Erased<N, S> {
    serve: S,
    node: PhantomData<fn() -> N>,
}

impl<N, S> Erased<N, S> {
    pub(crate) fn new(serve: S) -> Self {
        Self {
            serve,
            node: PhantomData,
        }
    }
}

impl<N: NodeType, S: Serve<N>> RawServe for Erased<N, S> {
    fn serve(&self, raw: RawRequest) {
        self.serve.serve(Request {
            raw,
            node: PhantomData,
        });
    }
}

/// The way from encoded arguments through a handler to `T`, which is the same for all commands that are delivered
/// alike. It is boxed so that the task around it, which is most of the code, is compiled once and not for each
/// command: see docs/performance.md.
type Work<T> = Pin<Box<dyn Future<Output = Result<T, CodecError>> + Send>>;

/// How a handler ended.
enum Ran<T> {
    Done(T),
    Panicked(String),
    BadArguments(CodecError),
    Late,
}

impl<N: NodeType> Request<N> {
    /// The id of the command.
    pub fn command(&self) -> u32 {
        self.raw.spec.id
    }

    /// Runs a handler whose result is the answer.
    pub fn answer<A, T, F, Fut>(self, handler: F)
    where
        A: DeserializeOwned + Send + 'static,
        T: Serialize + Send + 'static,
        F: FnOnce(Context<N>, A) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let (task, input) = self.raw.split();
        task.answer(Box::pin(async move {
            let args = input.args.decode()?;
            let value = handler(Context::new(input.core, input.origin), args).await;
            Ok(codec::encode(&value, MAX_PAYLOAD))
        }));
    }

    /// Runs a handler whose result nobody waits for.
    pub fn tell<A, F, Fut>(self, handler: F)
    where
        A: DeserializeOwned + Send + 'static,
        F: FnOnce(Context<N>, A) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (task, input) = self.raw.split();
        task.tell(Box::pin(async move {
            let args = input.args.decode()?;
            handler(Context::new(input.core, input.origin), args).await;
            Ok(())
        }));
    }

    /// Runs the handler of a queued command.
    pub fn work<A, F, Fut>(self, handler: F)
    where
        A: DeserializeOwned + Send + 'static,
        F: FnOnce(Context<N>, A) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let (task, input) = self.raw.split();
        task.work(Box::pin(async move {
            let args = input.args.decode()?;
            Ok(handler(Context::new(input.core, input.origin), args).await)
        }));
    }

    /// The dispatch knows no such command.
    pub fn unknown(self) {
        self.raw.unknown();
    }
}

/// What a handler is called with.
struct Input {
    core: Arc<NodeCore>,
    origin: Origin,
    args: Args,
}

/// What is left of a request without that: how to run it, and where the result goes.
struct Task {
    running: TaskTrackerToken,
    command: &'static str,
    deadline: Option<Instant>,
    places: Option<Arc<Semaphore>>,
    answerer: Answerer,
}

impl RawRequest {
    fn split(self) -> (Task, Input) {
        let task = Task {
            running: self.core.handlers.token(),
            command: self.spec.name,
            deadline: self.origin.deadline,
            places: self.places,
            answerer: self.answerer,
        };
        let input = Input {
            core: self.core,
            origin: self.origin,
            args: self.args,
        };
        (task, input)
    }

    fn unknown(self) {
        let command = self.spec.name;
        let why = format!("`{command}` is not served here");
        match self.answerer {
            Answerer::Call(responder) => responder.fail(Status::Incompatible, &why),
            Answerer::Tell(_) => tracing::warn!(command, "a broadcast that is not served here"),
            Answerer::Job(done) => {
                let _ = done.send(JobOutcome::Discard(why));
            }
        }
    }
}

impl Task {
    fn answer(self, work: Work<Result<Bytes, CodecError>>) {
        let (answerer, ran) = self.run(work);
        let Answerer::Call(responder) = answerer else {
            return;
        };
        let serving = responder.serving();
        let task = tokio::spawn(async move {
            match ran.await {
                Ran::Done(Ok(payload)) => responder.respond(Status::Ok, payload),
                Ran::Done(Err(error)) => responder.fail(Status::Codec, &error.to_string()),
                Ran::Panicked(message) => responder.fail(Status::HandlerPanicked, &message),
                Ran::BadArguments(error) => {
                    responder.fail(Status::Incompatible, &bad_arguments(&error))
                }
                Ran::Late => responder.fail(Status::DeadlineExceeded, ""),
            }
        });
        serving.by(task.abort_handle());
    }

    fn tell(self, work: Work<()>) {
        let command = self.command;
        let (answerer, ran) = self.run(work);
        tokio::spawn(async move {
            match ran.await {
                Ran::Done(()) | Ran::Late => {}
                Ran::Panicked(message) => {
                    tracing::error!(command, %message, "the handler panicked")
                }
                Ran::BadArguments(error) => {
                    tracing::warn!(command, %error, "a broadcast could not be decoded")
                }
            }
            drop(answerer);
        });
    }

    fn work(self, work: Work<Result<(), JobError>>) {
        let (answerer, ran) = self.run(work);
        let Answerer::Job(mut done) = answerer else {
            return;
        };
        tokio::spawn(async move {
            let outcome = async {
                match ran.await {
                    Ran::Done(Ok(())) => JobOutcome::Done,
                    Ran::Done(Err(error)) if error.is_retry() => {
                        JobOutcome::Retry(error.to_string())
                    }
                    Ran::Done(Err(error)) => JobOutcome::Discard(error.to_string()),
                    Ran::Panicked(message) => JobOutcome::Panicked(message),
                    Ran::BadArguments(error) => JobOutcome::Discard(bad_arguments(&error)),
                    Ran::Late => JobOutcome::Retry("out of time".into()),
                }
            };
            // The worker drops its end when it gives the job up, at the end of a node's grace.
            let outcome = tokio::select! {
                outcome = outcome => Some(outcome),
                () = done.closed() => None,
            };
            if let Some(outcome) = outcome {
                let _ = done.send(outcome);
            }
        });
    }

    /// Everything up to the handler's end: a place to run, the deadline, panics.
    fn run<T>(self, work: Work<T>) -> (Answerer, impl Future<Output = Ran<T>> + Send) {
        let Self {
            running,
            deadline,
            places,
            answerer,
            ..
        } = self;
        let ran = async move {
            let _running = running;
            let _place = match take_place(places, deadline).await {
                Ok(place) => place,
                Err(Overdue) => return Ran::Late,
            };
            let work = AssertUnwindSafe(work).catch_unwind();
            let ran = match deadline {
                Some(deadline) => match timeout_at(deadline, work).await {
                    Ok(ran) => ran,
                    Err(_) => return Ran::Late,
                },
                None => work.await,
            };
            match ran {
                Ok(Ok(done)) => Ran::Done(done),
                Ok(Err(error)) => Ran::BadArguments(error),
                Err(panic) => Ran::Panicked(panic_text(&*panic)),
            }
        };
        (answerer, ran)
    }
}

struct Overdue;

async fn take_place(
    places: Option<Arc<Semaphore>>,
    deadline: Option<Instant>,
) -> Result<Option<OwnedSemaphorePermit>, Overdue> {
    let Some(places) = places else {
        return Ok(None);
    };
    let place = places.acquire_owned();
    let place = match deadline {
        Some(deadline) => timeout_at(deadline, place).await.map_err(|_| Overdue)?,
        None => place.await,
    };
    // The semaphore is never closed.
    place.map(Some).map_err(|_| Overdue)
}

fn bad_arguments(error: &CodecError) -> String {
    format!("the arguments do not fit the command as it is declared here: {error}")
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".into())
}
