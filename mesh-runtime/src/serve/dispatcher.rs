//! From a call that has arrived to the handler: is the command known, may this caller use it, is it a job?

use std::{collections::HashMap, sync::Arc};

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
    queue::{Job, JobOutcome, NewJob, Queue, QueueError, QueueName},
    schema::{CommandSpec, Delivery, NodeSpec},
    wire::{
        codec::{self, MAX_PAYLOAD},
        frame::Status,
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
    pub(crate) queue: Option<(Arc<dyn Queue>, QueueName)>,
}

impl Dispatcher {
    pub(crate) fn new(
        spec: &'static NodeSpec,
        serve: Option<Box<dyn RawServe>>,
        queue: &Arc<dyn Queue>,
        name: impl Fn(&'static CommandSpec) -> QueueName,
    ) -> Self {
        let entry = |spec: &'static CommandSpec| CommandEntry {
            spec,
            // A job's worker sees to its concurrency.
            places: spec
                .concurrency
                .filter(|_| !spec.delivery.is_queued())
                .map(|handlers| Arc::new(Semaphore::new(handlers as usize))),
            queue: spec
                .delivery
                .is_queued()
                .then(|| (Arc::clone(queue), name(spec))),
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
                enqueue(core, entry, parcel.take(), responder);
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
fn enqueue(core: &Arc<NodeCore>, entry: &CommandEntry, payload: Bytes, responder: Responder) {
    let Some((queue, name)) = entry.queue.clone() else {
        return;
    };
    // A copy, because the payload may be a small part of an envelope, all of which it would keep in memory.
    let payload = Bytes::copy_from_slice(&payload);
    let instance = core.id.instance.clone();
    let running = core.handlers.token();
    tokio::spawn(async move {
        let _running = running;
        let deadline = responder.deadline();
        let enqueued =
            tokio::time::timeout_at(deadline, queue.enqueue(&name, NewJob::new(payload))).await;
        match enqueued {
            Ok(Ok(job_id)) => match codec::encode(&Queued { job_id, instance }, MAX_PAYLOAD) {
                Ok(payload) => responder.respond(Status::Ok, payload),
                Err(error) => responder.fail(Status::Codec, &error.to_string()),
            },
            Ok(Err(error @ (QueueError::Full { .. } | QueueError::FullBytes { .. }))) => {
                responder.fail(Status::QueueFull, &error.to_string());
            }
            Ok(Err(error)) => responder.fail(Status::QueueFailed, &error.to_string()),
            Err(_) => responder.fail(Status::DeadlineExceeded, ""),
        }
    });
}
