//! Passes calls, tells and jobs to the macro's dispatch. For a call or tell it first checks whether the command is
//! known, whether the caller may call it, whether it is delivered in this way, and whether it is to be queued.

use std::{
    iter,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    context::{Caller, JobInfo, Origin},
    request::{Args, JobResult, NoReply, Request, Serve},
    run::{NoAnswer, Run},
};
use crate::{
    call::Queued,
    carried::Carried,
    error::CodecError,
    hook::RequestKind,
    id::CommandName,
    link::{
        link::Peer,
        serving::{CallReply, ReceivedPayload, TellPermit},
    },
    local::LocalNode,
    metrics::{CommandMetrics, CommandRecorder, Direction, LazyRecorder, Recording},
    panic_text::panic_text,
    queue::{Enqueued, JobOutcome, NewJob, NodeQueues, OpenedJob, UntypedQueue},
    schema::{CommandSpec, Delivery, NodeSpec},
    verdict::Verdict,
    wire::{
        codec::{self, MAX_PAYLOAD},
        job_options::{JobDue, JobOptions},
        status::FailureCode,
    },
};

/// The commands that a node serves.
pub(crate) struct Dispatcher {
    local: Arc<LocalNode>,
    /// Sorted by id.
    commands: Box<[ServedCommand]>,
    serve: Option<Box<dyn Serve>>,
}

/// One command, as this node serves it.
pub(crate) struct ServedCommand {
    pub(crate) spec: &'static CommandSpec,
    /// Bounds how many of its handlers run at once.
    permits: Option<Arc<Semaphore>>,
    /// Where its jobs go.
    pub(crate) queue: Option<UntypedQueue>,
    /// Counts the calls that are served.
    served: Arc<CommandRecorder>,
    /// Counts the attempts of jobs.
    jobs: LazyRecorder,
}

/// Why a call or tell is not served.
type Refused = (FailureCode, String);

impl Dispatcher {
    pub(crate) fn new(
        local: Arc<LocalNode>,
        spec: &'static NodeSpec,
        serve: Option<Box<dyn Serve>>,
        queues: &NodeQueues,
    ) -> Self {
        let served = |spec: &'static CommandSpec| ServedCommand {
            spec,
            // The worker of a queue limits the concurrency of its jobs.
            permits: spec
                .concurrency
                .filter(|_| !spec.delivery.is_queued())
                .map(|handlers| Arc::new(Semaphore::new(handlers as usize))),
            queue: spec.delivery.is_queued().then(|| queues.of(spec)),
            served: Arc::default(),
            jobs: LazyRecorder::default(),
        };
        let mut commands: Box<[_]> = spec.commands.iter().map(served).collect();
        commands.sort_unstable_by_key(|command| command.spec.id);
        Self {
            local,
            commands,
            serve,
        }
    }

    /// The queued commands.
    pub(crate) fn queued(&self) -> impl Iterator<Item = &ServedCommand> {
        self.commands
            .iter()
            .filter(|command| command.queue.is_some())
    }

    /// Serves a call that has arrived, or queues it.
    pub(crate) fn call(&self, command: u32, args: ReceivedPayload, mut reply: CallReply) {
        reply.hold(self.local.handlers.token());
        let command = match self.authorized(command, reply.peer()) {
            Ok(command) if command.spec.delivery != Delivery::Broadcast => command,
            Ok(command) => return refuse(reply, self.delivered_otherwise(command)),
            Err(refused) => return refuse(reply, refused),
        };
        let origin = match self.origin(reply.peer(), Some(reply.deadline()), args.block()) {
            Ok(origin) => origin,
            Err(refused) => return refuse(reply, refused),
        };
        if let Some(queue) = &command.queue {
            reply.count(&command.served);
            enqueue(command.spec, origin, queue.clone(), args, reply);
            return;
        }
        let Some(serve) = &self.serve else { return };
        reply.count(&command.served);
        serve.call(command.request(origin, Args::Received(args), reply));
    }

    /// Serves a tell that has arrived.
    pub(crate) fn tell(&self, command: u32, args: ReceivedPayload, permit: TellPermit) {
        let command = match self.authorized(command, permit.peer()) {
            Ok(command) if command.spec.delivery == Delivery::Broadcast => command,
            Ok(command) => return log_refused(permit.peer(), &self.delivered_otherwise(command)),
            Err(refused) => return log_refused(permit.peer(), &refused),
        };
        let Some(serve) = &self.serve else { return };
        let origin = match self.origin(permit.peer(), None, args.block()) {
            Ok(origin) => origin,
            Err(refused) => return log_refused(permit.peer(), &refused),
        };
        serve.tell(command.request(
            origin,
            Args::Received(args),
            NoReply {
                recording: Recording::begin(&command.served),
                _permit: permit,
                _running: self.local.handlers.token(),
            },
        ));
    }

    /// Runs one attempt of a job.
    pub(crate) async fn job(&self, command: u32, job: OpenedJob) -> JobOutcome {
        let OpenedJob { job, block } = job;
        let (Some(command), Some(serve)) = (self.find(command), &self.serve) else {
            return JobOutcome::Discard(format!("there is no command {command:#010x}"));
        };
        let carried = match Carried::from_block(&block) {
            Ok(carried) => carried,
            Err(error) => return JobOutcome::Discard(bad_metadata(&error)),
        };
        let origin = Origin {
            local: Arc::clone(&self.local),
            carried,
            caller: None,
            deadline: None,
            job: Some(Box::new(JobInfo {
                id: job.id,
                attempt: job.attempt,
                enqueued_at: job.enqueued_at,
            })),
        };
        let request = command.request(
            origin,
            Args::Job(job.payload),
            JobResult {
                recording: Recording::begin(command.jobs.get()),
                _running: self.local.handlers.token(),
            },
        );
        serve.job(request).0.await
    }

    /// What was counted of each command: of all that are served, and of jobs that have run.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = CommandMetrics> {
        self.commands.iter().flat_map(|command| {
            let name = CommandName {
                node_type: self.local.node_type(),
                name: command.spec.name,
            };
            let served = command.served.snapshot(name, Direction::Server);
            let jobs = command.jobs.snapshot(name, Direction::Job);
            iter::once(served).chain(jobs)
        })
    }

    fn find(&self, command: u32) -> Option<&ServedCommand> {
        let found = self
            .commands
            .binary_search_by_key(&command, |served| served.spec.id);
        found.ok().map(|index| &self.commands[index])
    }

    /// The command, if this node has it and accepts calls, and if the caller may call it.
    fn authorized(&self, command: u32, caller: &Peer) -> Result<&ServedCommand, Refused> {
        let node_type = &self.local.id.node_type;
        let Some(served) = self.find(command) else {
            let what = format!("{node_type} has no command {command:#010x}");
            return Err((FailureCode::Incompatible, what));
        };
        if self.local.is_draining() {
            return Err((FailureCode::ShuttingDown, String::new()));
        }
        match caller.verdicts.incoming(command) {
            Verdict::Allowed => Ok(served),
            Verdict::Denied | Verdict::Incompatible => {
                Err((FailureCode::Denied, self.name_of(served)))
            }
        }
    }

    fn delivered_otherwise(&self, command: &ServedCommand) -> Refused {
        let what = format!("{} is delivered otherwise", self.name_of(command));
        (FailureCode::Incompatible, what)
    }

    fn name_of(&self, command: &ServedCommand) -> String {
        format!("{}.{}", self.local.id.node_type, command.spec.name)
    }

    /// `block` is the extension block of the call or tell.
    fn origin(
        &self,
        caller: &Peer,
        deadline: Option<Instant>,
        block: &[u8],
    ) -> Result<Origin, Refused> {
        Ok(Origin {
            local: Arc::clone(&self.local),
            caller: Some(Caller {
                node: caller.id.clone(),
            }),
            deadline,
            job: None,
            carried: Carried::from_block(block)
                .map_err(|error| (FailureCode::Incompatible, bad_metadata(&error)))?,
        })
    }
}

impl ServedCommand {
    fn request<R>(&self, origin: Origin, args: Args, reply: R) -> Request<R> {
        Request {
            spec: self.spec,
            origin,
            args,
            permits: self.permits.clone(),
            reply,
        }
    }
}

fn refuse(reply: CallReply, refused: Refused) {
    log_refused(reply.peer(), &refused);
    reply.fail(refused.0, &refused.1);
}

fn log_refused(caller: &Peer, (code, why): &Refused) {
    tracing::warn!(caller = %caller.id, ?code, %why, "refused a call");
}

/// Puts a job into its queue. Replies with success only once the engine has accepted the job.
fn enqueue(
    spec: &'static CommandSpec,
    mut origin: Origin,
    queue: UntypedQueue,
    payload: ReceivedPayload,
    reply: CallReply,
) {
    let kind = RequestKind::Enqueue;
    let run = Run::new(spec, &mut origin, None, kind, payload.args_len());
    let block = Bytes::copy_from_slice(payload.block());
    run.enqueue(reply, Box::pin(queued(queue, origin, block, payload)));
}

/// Encodes what the queue says to a job. `block` is its extension block.
async fn queued(
    queue: UntypedQueue,
    origin: Origin,
    block: Bytes,
    payload: ReceivedPayload,
) -> Result<Result<Bytes, NoAnswer>, CodecError> {
    let (options, args) = match JobOptions::split(&payload.take()) {
        // Copied, because the payload may be a small slice of an envelope, and would keep the whole envelope in memory.
        Ok((options, args)) => (options, Bytes::copy_from_slice(args)),
        Err(error) => {
            let why = format!("the job options: {error}");
            return Ok(Err(NoAnswer::new(FailureCode::Incompatible, why)));
        }
    };
    let block = match origin.carried.block_with_added(block) {
        Ok(block) => block,
        Err(error) => {
            let why = format!("the metadata that hooks have added: {error}");
            return Ok(Err(NoAnswer::new(FailureCode::Incompatible, why)));
        }
    };
    let enqueued = queue.enqueue(&block, new_job(options, args));
    let queued = match AssertUnwindSafe(enqueued).catch_unwind().await {
        Ok(Ok(Enqueued { job_id, duplicate })) => Queued {
            job_id,
            instance: origin.local.id.instance.clone(),
            duplicate,
        },
        Ok(Err(error)) => return Ok(Err(NoAnswer::unqueued(error, queue.is_shared()))),
        Err(panic) => {
            let why = format!("the queue engine panicked: {}", panic_text(&*panic));
            return Ok(Err(NoAnswer::new(FailureCode::QueueFailed, why)));
        }
    };
    Ok(codec::encode(&queued, MAX_PAYLOAD).map_err(NoAnswer::from))
}

fn bad_metadata(error: &CodecError) -> String {
    format!("the metadata cannot be read: {error}")
}

fn new_job(options: JobOptions, args: Bytes) -> NewJob {
    let job = NewJob::new(args);
    let job = match options.due {
        JobDue::Now => job,
        JobDue::After(ms) => job.delay(Duration::from_millis(ms)),
        JobDue::At(ms) => match UNIX_EPOCH.checked_add(Duration::from_millis(ms)) {
            Some(time) => job.at(time),
            // On some systems a `SystemTime` cannot be that far in the future. A delay of that length serves as well.
            None => job.delay(Duration::from_millis(ms)),
        },
    };
    match options.dedupe {
        Some((key, ms)) => job.dedupe(key, Duration::from_millis(ms)),
        None => job,
    }
}
