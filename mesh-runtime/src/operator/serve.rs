//! Runs the built-in commands of a node or master: checks who may call them, reads the arguments and writes the answer.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{
    bodies::{Changed, Description, EventsArgs, Health, Jobs, Links, Member, QueueArgs, Stats},
    commands::{Access, BuiltIn},
    event_log::EventLog,
    jobs,
};
use crate::{
    link::serving::{CallReply, ReceivedPayload, TellPermit},
    metrics::{EndStatus, Metrics},
    millis,
    queue::{QueueError, UntypedQueue},
    schema::{DescribedSchema, SchemaDescription},
    serve::Run,
    wire::{codec::MAX_PAYLOAD, status::FailureCode},
};

/// How many built-in commands run at once, besides those that wait for events.
const CONCURRENCY: usize = 8;

/// The longest arguments, in bytes.
const MAX_ARGS: usize = 64 * 1024;

/// The longest that `events` waits for one. Less than the silence after which a proxy may cut a connection.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(30);

/// What a node or master has to show to operators, and how it is steered. None of the methods may block.
pub(crate) trait Operated: Send + Sync + 'static {
    /// Who this is.
    fn member(&self) -> Member;

    fn schema(&self) -> &DescribedSchema;

    fn stats(&self) -> BoxFuture<'static, Stats>;

    fn links(&self) -> Links;

    fn health(&self) -> Health;

    /// What was counted since it was started.
    fn metrics(&self) -> Metrics;

    fn events(&self) -> Arc<EventLog>;

    /// The operators and observers that are connected.
    fn operators(&self) -> usize;

    /// Whether the check of its user says that it is ready.
    fn own_check(&self) -> bool;

    /// When it was started, in milliseconds since 1970.
    fn started_ms(&self) -> u64;

    /// Begins to shut down gracefully.
    fn drain(&self) -> Result<(), Unavailable>;

    /// The queue of a queued command.
    fn queue(&self, command: &str) -> Result<UntypedQueue, Unavailable>;

    /// Whether it takes no links any more.
    fn is_closed(&self) -> bool;

    /// Serves a call of a command of the schema.
    fn call(&self, command: u32, args: ReceivedPayload, reply: CallReply);

    /// Serves a tell of a command of the schema.
    fn tell(&self, command: u32, args: ReceivedPayload, permit: TellPermit);
}

/// It is not there, and this is why.
#[derive(Debug)]
pub(crate) struct Unavailable(pub(crate) String);

impl From<Unavailable> for NoAnswer {
    fn from(Unavailable(why): Unavailable) -> Self {
        Self::new(FailureCode::Incompatible, why)
    }
}

pub(super) use crate::serve::NoAnswer;

/// The future that answers.
type Answering = Pin<Box<dyn Future<Output = Result<Bytes, NoAnswer>> + Send>>;

/// What bounds and tracks the built-in commands of one node or master.
#[derive(Clone)]
pub(super) struct Running {
    /// Those that do more than to wait. They may make long answers.
    permits: Arc<Semaphore>,
    tracker: TaskTracker,
}

impl Running {
    pub(super) fn new() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(CONCURRENCY)),
            tracker: TaskTracker::new(),
        }
    }
}

/// Serves a call of a built-in command.
pub(super) fn call(
    operated: Arc<dyn Operated>,
    access: Access,
    command: u32,
    args: &[u8],
    mut reply: CallReply,
    running: &Running,
) {
    let Some(command) = BuiltIn::from_id(command) else {
        let why = format!("there is no built-in command {command}");
        return reply.fail(FailureCode::Incompatible, &why);
    };
    if !command.is_allowed(access) {
        tracing::warn!(caller = %reply.peer().id, command = command.name(), "refused a call of an observer");
        return reply.fail(FailureCode::Denied, command.name());
    }
    if args.len() > MAX_ARGS {
        let why = format!(
            "the arguments have {} bytes; {MAX_ARGS} are allowed",
            args.len()
        );
        return reply.fail(FailureCode::Incompatible, &why);
    }
    match answering(operated, access, command, args) {
        Ok(answering) => {
            let deadline = Some(reply.deadline());
            let permits = (command != BuiltIn::Events).then(|| Arc::clone(&running.permits));
            let work = Box::pin(async { Ok(answering.await) });
            let run = Run::built_in(command.name(), deadline, permits);
            reply.hold(running.tracker.token());
            run.call(reply, work, |_| EndStatus::Ok);
        }
        Err(NoAnswer { code, why }) => reply.fail(code, &why),
    }
}

fn answering(
    operated: Arc<dyn Operated>,
    access: Access,
    command: BuiltIn,
    args: &[u8],
) -> Result<Answering, NoAnswer> {
    Ok(match command {
        BuiltIn::Describe => Box::pin(describe(operated)),
        BuiltIn::Stats => Box::pin(stats(operated, access)),
        BuiltIn::Links => Box::pin(async move { encode(&operated.links()) }),
        BuiltIn::Health => Box::pin(async move { encode(&health(&*operated)) }),
        BuiltIn::Events => Box::pin(events(operated, access, decode(args)?)),
        BuiltIn::Metrics => Box::pin(async move { encode(&operated.metrics()) }),
        BuiltIn::Drain => Box::pin(async move {
            operated.drain()?;
            encode(&Changed::default())
        }),
        BuiltIn::QueueList
        | BuiltIn::QueueGet
        | BuiltIn::QueueRequeue
        | BuiltIn::QueueRemove
        | BuiltIn::QueuePurge
        | BuiltIn::QueuePause
        | BuiltIn::QueueResume => {
            let args: QueueArgs = decode(args)?;
            let queue = operated.queue(&args.command)?;
            Box::pin(of_queue(operated, command, queue, args))
        }
    })
}

async fn describe(operated: Arc<dyn Operated>) -> Result<Bytes, NoAnswer> {
    blocking(move || encode(&Description::of(&*operated))).await?
}

/// The description of the schema, which may have to be made.
async fn schema(operated: Arc<dyn Operated>) -> Result<Arc<SchemaDescription>, NoAnswer> {
    blocking(move || operated.schema().get()).await
}

/// Runs what may take long on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NoAnswer> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| NoAnswer::new(FailureCode::HandlerPanicked, error.to_string()))
}

fn health(operated: &dyn Operated) -> Health {
    Health {
        runtime: env!("CARGO_PKG_VERSION").to_owned(),
        started_ms: operated.started_ms(),
        now_ms: millis::since_1970(SystemTime::now()),
        ..operated.health()
    }
}

async fn stats(operated: Arc<dyn Operated>, access: Access) -> Result<Bytes, NoAnswer> {
    let mut stats = operated.stats().await;
    if access == Access::Observer {
        let errors = stats
            .queues
            .iter_mut()
            .filter_map(|queue| queue.error.as_mut());
        errors.for_each(String::clear);
    }
    encode(&stats)
}

async fn events(
    operated: Arc<dyn Operated>,
    access: Access,
    args: EventsArgs,
) -> Result<Bytes, NoAnswer> {
    let log = operated.events();
    let longest = Duration::from_millis(args.wait_ms).min(MAX_WAIT);
    let started_ms = operated.started_ms();
    // What waits must not keep the node. It ends with its link.
    drop(operated);
    log.wait(args.since, longest).await;
    let mut list = log.since(args.since);
    list.started_ms = started_ms;
    if access == Access::Observer {
        list.events.iter_mut().for_each(|event| event.reason = None);
    }
    encode(&list)
}

async fn of_queue(
    operated: Arc<dyn Operated>,
    command: BuiltIn,
    queue: UntypedQueue,
    args: QueueArgs,
) -> Result<Bytes, NoAnswer> {
    if matches!(command, BuiltIn::QueueList | BuiltIn::QueueGet) {
        let schema = schema(operated).await?;
        return encode(&listed_in(command, &schema, &queue, &args).await?);
    }
    encode(&changed_in(command, &queue, &args).await?)
}

/// The jobs that `queue list` or `queue get` is asked for.
pub(super) async fn listed_in(
    command: BuiltIn,
    schema: &SchemaDescription,
    queue: &UntypedQueue,
    args: &QueueArgs,
) -> Result<Jobs, NoAnswer> {
    match command {
        BuiltIn::QueueList => jobs::list(schema, queue, args).await,
        _ => jobs::get(schema, queue, args).await,
    }
}

/// Changes a queue as a command for queues says.
pub(super) async fn changed_in(
    command: BuiltIn,
    queue: &UntypedQueue,
    args: &QueueArgs,
) -> Result<Changed, NoAnswer> {
    let changed: Result<u64, QueueError> = match command {
        BuiltIn::QueuePause => queue.pause().await.map(|()| 0),
        BuiltIn::QueueResume => queue.resume().await.map(|()| 0),
        BuiltIn::QueueRequeue if args.all => queue.requeue_all().await,
        BuiltIn::QueuePurge if args.all => queue.purge_all().await,
        BuiltIn::QueueRequeue => queue.requeue(&jobs::id(args)?).await.map(u64::from),
        BuiltIn::QueuePurge => queue.purge(&jobs::id(args)?).await.map(u64::from),
        _ => queue.remove(&jobs::id(args)?).await.map(u64::from),
    };
    Ok(Changed { jobs: changed? })
}

/// Arguments are a JSON object, or nothing.
fn decode<T: DeserializeOwned + Default>(args: &[u8]) -> Result<T, NoAnswer> {
    if args.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(args).map_err(|error| {
        NoAnswer::new(FailureCode::Incompatible, format!("the arguments: {error}"))
    })
}

fn encode<T: Serialize>(answer: &T) -> Result<Bytes, NoAnswer> {
    let json = serde_json::to_vec(answer)
        .map_err(|error| NoAnswer::new(FailureCode::Codec, error.to_string()))?;
    if json.len() > MAX_PAYLOAD {
        let why = format!(
            "the answer has {} bytes; {MAX_PAYLOAD} are allowed",
            json.len()
        );
        return Err(NoAnswer::new(FailureCode::Codec, why));
    }
    Ok(json.into())
}
