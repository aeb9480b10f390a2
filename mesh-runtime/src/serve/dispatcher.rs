//! From a call that has arrived to the handler: is the command known, may this caller use it, is it a job?

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};

use super::{
    context::{Caller, JobInfo, Origin},
    request::{Answerer, Args, RawRequest, RawServe},
};
use crate::{
    call::Queued,
    link::serving::{Answering, Incoming, Responder},
    node::core::NodeCore,
    queue::{CommandQueue, Enqueued, Job, JobOutcome, NewJob},
    schema::{CommandSpec, Delivery, NodeSpec},
    wire::{
        codec::{self, MAX_PAYLOAD},
        frame::Status,
        job_options::{JobDue, JobOptions},
    },
};

/// What a node serves.
pub(crate) struct Dispatcher {
    commands: HashMap<u32, CommandEntry>,
    serve: Option<Box<dyn RawServe>>,
}

/// One command, as this node serves it.
pub(crate) struct CommandEntry {
    pub(crate) spec: &'static CommandSpec,
    /// Bounds how many of its handlers run at once.
    places: Option<Arc<Semaphore>>,
    /// Where its jobs go.
    pub(crate) queue: Option<CommandQueue>,
}

impl Dispatcher {
    pub(crate) fn new(
        spec: &'static NodeSpec,
        serve: Option<Box<dyn RawServe>>,
        queue: impl Fn(&'static CommandSpec) -> CommandQueue,
    ) -> Self {
        let entry = |spec: &'static CommandSpec| CommandEntry {
            spec,
            // A job's worker sees to its concurrency.
            places: spec
                .concurrency
                .filter(|_| !spec.delivery.is_queued())
                .map(|handlers| Arc::new(Semaphore::new(handlers as usize))),
            queue: spec.delivery.is_queued().then(|| queue(spec)),
        };
        Self {
            commands: spec
                .commands
                .iter()
                .map(|spec| (spec.id, entry(spec)))
                .collect(),
            serve,
        }
    }

    /// The commands that are jobs.
    pub(crate) fn queued(&self) -> impl Iterator<Item = &CommandEntry> {
        self.commands.values().filter(|entry| entry.queue.is_some())
    }

    /// The queue of a command that is a job.
    pub(crate) fn queue(&self, command: &str) -> Option<&CommandQueue> {
        self.queued()
            .find(|entry| entry.spec.name == command)
            .and_then(|entry| entry.queue.as_ref())
    }

    /// Serves a call or tell that has arrived.
    pub(crate) fn serve(&self, core: &Arc<NodeCore>, incoming: Incoming) {
        let Incoming {
            link,
            command,
            parcel,
            answer,
        } = incoming;
        let caller = &link.peer.id;
        let refusal = match self.commands.get(&command) {
            None => Err((
                Status::Incompatible,
                format!("{} has no command {command:#010x}", core.id.node_type),
            )),
            Some(entry) => self
                .check(core, entry, &caller.node_type, &answer)
                .map(|()| entry),
        };
        let entry = match refusal {
            Ok(entry) => entry,
            Err((status, why)) => {
                tracing::warn!(%caller, %why, "refused a call");
                if let Answering::Call(responder) = answer {
                    responder.fail(status, &why);
                }
                return;
            }
        };
        match answer {
            Answering::Call(responder) if entry.queue.is_some() => {
                enqueue(core, entry, &parcel.take(), responder);
            }
            Answering::Call(responder) => {
                let deadline = Some(responder.deadline());
                let args = Args::Parcel(parcel);
                self.run(
                    core,
                    entry,
                    origin(caller, deadline),
                    args,
                    Answerer::Call(responder),
                );
            }
            Answering::Tell(place) => {
                let args = Args::Parcel(parcel);
                self.run(
                    core,
                    entry,
                    origin(caller, None),
                    args,
                    Answerer::Tell(place),
                );
            }
        }
    }

    /// Runs one attempt of a job.
    pub(crate) async fn work(&self, core: &Arc<NodeCore>, command: u32, job: Job) -> JobOutcome {
        let Some(entry) = self.commands.get(&command) else {
            return JobOutcome::Discard(format!("there is no command {command:#010x}"));
        };
        let origin = Origin {
            caller: None,
            deadline: None,
            job: Some(JobInfo {
                id: job.id,
                attempt: job.attempt,
                enqueued_at: job.enqueued_at,
            }),
        };
        let (done, outcome) = oneshot::channel();
        self.run(
            core,
            entry,
            origin,
            Args::Job(job.payload),
            Answerer::Job(done),
        );
        outcome
            .await
            .unwrap_or_else(|_| JobOutcome::Retry("the handler's task ended early".into()))
    }

    fn check(
        &self,
        core: &NodeCore,
        entry: &CommandEntry,
        caller: &str,
        answer: &Answering,
    ) -> Result<(), (Status, String)> {
        let command = || format!("{}.{}", core.id.node_type, entry.spec.name);
        if core.is_draining() {
            return Err((Status::ShuttingDown, String::new()));
        }
        if !core.schema.may_call(caller, &core.id.node_type) || !entry.spec.allows(caller) {
            return Err((Status::Denied, command()));
        }
        let told = matches!(answer, Answering::Tell(_));
        if told != (entry.spec.delivery == Delivery::Broadcast) {
            return Err((
                Status::Incompatible,
                format!("{} is delivered otherwise", command()),
            ));
        }
        Ok(())
    }

    fn run(
        &self,
        core: &Arc<NodeCore>,
        entry: &CommandEntry,
        origin: Origin,
        args: Args,
        answerer: Answerer,
    ) {
        let Some(serve) = &self.serve else { return };
        serve.serve(RawRequest {
            core: Arc::clone(core),
            spec: entry.spec,
            origin,
            args,
            places: entry.places.clone(),
            answerer,
        });
    }
}

fn origin(caller: &crate::id::NodeId, deadline: Option<tokio::time::Instant>) -> Origin {
    Origin {
        caller: Some(Caller {
            node: caller.clone(),
        }),
        deadline,
        job: None,
    }
}

/// Puts a job into its queue, and answers only when the engine has it.
fn enqueue(core: &Arc<NodeCore>, entry: &CommandEntry, payload: &[u8], responder: Responder) {
    let Some(queue) = entry.queue.clone() else {
        return;
    };
    let job = match JobOptions::split(payload) {
        // A copy, because the payload may be a small part of an envelope, all of which it would keep in memory.
        Ok((options, args)) => new_job(options, Bytes::copy_from_slice(args)),
        Err(error) => {
            responder.fail(Status::Incompatible, &format!("the job options: {error}"));
            return;
        }
    };
    let instance = core.id.instance.clone();
    let running = core.handlers.token();
    tokio::spawn(async move {
        let _running = running;
        let deadline = responder.deadline();
        match tokio::time::timeout_at(deadline, queue.enqueue(job)).await {
            Ok(Ok(Enqueued { job_id, duplicate })) => {
                let queued = Queued {
                    job_id,
                    instance,
                    duplicate,
                };
                match codec::encode(&queued, MAX_PAYLOAD) {
                    Ok(payload) => responder.respond(Status::Ok, payload),
                    Err(error) => responder.fail(Status::Codec, &error.to_string()),
                }
            }
            Ok(Err(error)) if error.is_full() => {
                responder.fail(Status::QueueFull, &error.to_string());
            }
            Ok(Err(error)) => responder.fail(Status::QueueFailed, &error.to_string()),
            Err(_) => responder.fail(Status::DeadlineExceeded, ""),
        }
    });
}

fn new_job(options: JobOptions, args: Bytes) -> NewJob {
    let job = NewJob::new(args);
    let job = match options.due {
        JobDue::Now => job,
        JobDue::After(ms) => job.delay(Duration::from_millis(ms)),
        JobDue::At(ms) => match UNIX_EPOCH.checked_add(Duration::from_millis(ms)) {
            Some(time) => job.at(time),
            // Some systems cannot reckon with a time so far off. A wait of as long does as well.
            None => job.delay(Duration::from_millis(ms)),
        },
    };
    match options.dedupe {
        Some((key, ms)) => job.dedupe(key, Duration::from_millis(ms)),
        None => job,
    }
}
