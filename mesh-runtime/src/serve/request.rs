//! A request to be served: a call, a tell or a job, with its encoded arguments. The macro's dispatch hands it to the
//! handler's method. What a handler must return depends on the kind of the request, so that a wrong kind of reply does
//! not compile.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    context::{Context, Origin},
    run::{NoAnswer, Run, unserved},
};
use crate::{
    access::NodeType,
    error::{CodecError, JobError},
    hook::RequestKind,
    link::serving::{CallReply, ReceivedPayload, TellPermit},
    metrics::{EndStatus, Recording},
    queue::JobOutcome,
    schema::CommandSpec,
    wire::{
        codec::{self, MAX_PAYLOAD},
        status::FailureCode,
    },
};

/// The macro's dispatch of one node type: finds the handler's method for a request. None of its methods may block.
#[doc(hidden)]
pub trait Serve: Send + Sync + 'static {
    /// Serves a call. The default implementation knows no command.
    fn call(&self, request: CallRequest) {
        request.unknown();
    }

    /// Serves a tell. The default implementation knows no command.
    fn tell(&self, request: TellRequest) {
        request.unknown();
    }

    /// Runs a job. The default implementation knows no command.
    fn job(&self, request: JobRequest) -> JobRun {
        request.unknown()
    }
}

/// The future that runs one attempt of a job.
#[doc(hidden)]
pub struct JobRun(pub(super) BoxFuture<'static, JobOutcome>);

/// A command to be served, and `R`, where its result goes: [`CallReply`], [`NoReply`] or [`JobResult`].
#[doc(hidden)]
pub struct Request<R> {
    pub(super) spec: &'static CommandSpec,
    pub(super) origin: Origin,
    pub(super) args: Args,
    /// Bounds how many handlers of this command run at once.
    pub(super) permits: Option<Arc<Semaphore>>,
    pub(super) reply: R,
}

/// A call to be served.
#[doc(hidden)]
pub type CallRequest = Request<CallReply>;

/// A tell to be served.
#[doc(hidden)]
pub type TellRequest = Request<NoReply>;

/// One attempt of a job.
#[doc(hidden)]
pub type JobRequest = Request<JobResult>;

/// The request is a tell: nobody waits for the result. The permit is returned when the handler has ended. A shutdown waits
/// until then.
#[doc(hidden)]
pub struct NoReply {
    pub(super) recording: Recording,
    pub(super) _permit: TellPermit,
    pub(super) _running: TaskTrackerToken,
}

/// The request is a job: the worker that runs it takes the result. A shutdown waits until the handler has ended.
#[doc(hidden)]
pub struct JobResult {
    pub(super) recording: Recording,
    pub(super) _running: TaskTrackerToken,
}

/// Encoded arguments.
pub(super) enum Args {
    /// From a link: they count against its budget until they are decoded.
    Received(ReceivedPayload),
    /// From a queue.
    Job(Bytes),
}

impl Args {
    fn len(&self) -> usize {
        match self {
            Self::Received(payload) => payload.args_len(),
            Self::Job(bytes) => bytes.len(),
        }
    }

    fn decode<A: DeserializeOwned>(self) -> Result<A, CodecError> {
        match self {
            Self::Received(payload) => codec::decode(&payload.take()),
            Self::Job(bytes) => codec::decode(&bytes),
        }
    }
}

impl<R> Request<R> {
    /// The id of the command.
    pub fn command(&self) -> u32 {
        self.spec.id
    }

    /// Splits the request into how to run it, what the handler is called with, and where the result goes.
    fn split(mut self, kind: RequestKind) -> (Run, Origin, Args, R) {
        let size = self.args.len();
        let run = Run::new(self.spec, &mut self.origin, self.permits, kind, size);
        (run, self.origin, self.args, self.reply)
    }
}

impl Request<CallReply> {
    /// Runs a handler whose result is the reply.
    pub fn answer<N, A, T, F, Fut>(self, handler: F)
    where
        N: NodeType,
        A: DeserializeOwned + Send + 'static,
        T: Serialize + Send + 'static,
        F: FnOnce(Context<N>, A) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let (run, origin, args, reply) = self.split(RequestKind::Call);
        let work = Box::pin(async move {
            let args = args.decode()?;
            let value = handler(Context::new(origin), args).await;
            Ok(codec::encode(&value, MAX_PAYLOAD).map_err(NoAnswer::from))
        });
        run.call(reply, work, EndStatus::of_answer::<T>);
    }

    /// The dispatch knows no such command.
    pub fn unknown(self) {
        let why = unserved(self.spec);
        self.reply.fail(FailureCode::Incompatible, &why);
    }
}

impl Request<NoReply> {
    /// Runs a handler whose result nobody waits for.
    pub fn tell<N, A, F, Fut>(self, handler: F)
    where
        N: NodeType,
        A: DeserializeOwned + Send + 'static,
        F: FnOnce(Context<N>, A) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (run, origin, args, reply) = self.split(RequestKind::Broadcast);
        let work = Box::pin(async move {
            let args = args.decode()?;
            handler(Context::new(origin), args).await;
            Ok(())
        });
        run.tell(reply, work);
    }

    /// The dispatch knows no such command.
    pub fn unknown(self) {
        self.reply.recording.end(EndStatus::Incompatible);
        tracing::warn!(
            command = self.spec.name,
            "a broadcast that is not served here"
        );
    }
}

impl Request<JobResult> {
    /// Runs the handler of a queued command.
    pub fn work<N, A, F, Fut>(self, handler: F) -> JobRun
    where
        N: NodeType,
        A: DeserializeOwned + Send + 'static,
        F: FnOnce(Context<N>, A) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let (run, origin, args, result) = self.split(RequestKind::Job);
        let work = Box::pin(async move {
            let args = args.decode()?;
            Ok(handler(Context::new(origin), args).await)
        });
        run.job(result, work)
    }

    /// The dispatch knows no such command.
    pub fn unknown(self) -> JobRun {
        let why = unserved(self.spec);
        self.reply.recording.end(EndStatus::Incompatible);
        JobRun(Box::pin(std::future::ready(JobOutcome::Discard(why))))
    }
}
