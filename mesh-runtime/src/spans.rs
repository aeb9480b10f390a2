//! The `tracing` spans of calls, attempts, handlers and jobs, with the field names of OpenTelemetry's semantic
//! conventions. All of them have the level DEBUG. While nobody listens, a span costs one comparison.

use tracing::{Span, debug_span, field::Empty, level_filters::LevelFilter};

use crate::{
    error::CallError,
    hook::CommandName,
    id::{JobId, NodeId},
};

/// The target of all spans, by which a filter finds them.
macro_rules! target {
    () => {
        "mesh::call"
    };
}

/// Whether spans may be listened to. If not, they need not be made.
#[inline]
pub(crate) fn listening() -> bool {
    LevelFilter::current() >= LevelFilter::DEBUG
}

/// A call, with all its attempts.
pub(crate) fn call(command: CommandName, queues_job: bool) -> Span {
    let CommandName { node_type, name } = command;
    if queues_job {
        return debug_span!(
            target: target!(),
            "queue",
            otel.name = format_args!("send {node_type}/{name}"),
            otel.kind = "producer",
            otel.status_code = Empty,
            error.type = Empty,
            messaging.system = "mesh",
            messaging.operation.name = "send",
            messaging.operation.type = "send",
            messaging.destination.name = format_args!("{node_type}/{name}"),
        );
    }
    debug_span!(
        target: target!(),
        "call",
        otel.name = format_args!("{node_type}/{name}"),
        otel.kind = "client",
        otel.status_code = Empty,
        error.type = Empty,
        rpc.system.name = "mesh",
        rpc.method = format_args!("{node_type}/{name}"),
    )
}

/// One attempt of a call.
pub(crate) fn attempt(command: CommandName, peer: &NodeId, addr: &str, number: u32) -> Span {
    let CommandName { node_type, name } = command;
    debug_span!(
        target: target!(),
        "attempt",
        otel.name = format_args!("attempt {node_type}/{name}"),
        otel.kind = "client",
        otel.status_code = Empty,
        error.type = Empty,
        rpc.system.name = "mesh",
        rpc.method = format_args!("{node_type}/{name}"),
        network.peer.address = addr,
        mesh.peer = %peer.instance,
        mesh.attempt = number,
    )
}

/// The handler of a call or broadcast.
pub(crate) fn handler(command: CommandName, caller: Option<&NodeId>) -> Span {
    let CommandName { node_type, name } = command;
    debug_span!(
        target: target!(),
        "handler",
        otel.name = format_args!("{node_type}/{name}"),
        otel.kind = "server",
        otel.status_code = Empty,
        error.type = Empty,
        rpc.system.name = "mesh",
        rpc.method = format_args!("{node_type}/{name}"),
        mesh.peer = caller.map(tracing::field::display),
    )
}

/// One attempt of a job.
pub(crate) fn job(command: CommandName, job: &JobId, attempt: u32) -> Span {
    let CommandName { node_type, name } = command;
    debug_span!(
        target: target!(),
        "job",
        otel.name = format_args!("process {node_type}/{name}"),
        otel.kind = "consumer",
        otel.status_code = Empty,
        error.type = Empty,
        messaging.system = "mesh",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = format_args!("{node_type}/{name}"),
        messaging.message.id = %job,
        mesh.attempt = attempt,
    )
}

/// Notes that what the span stands for has failed.
pub(crate) fn failed(span: &Span, kind: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", kind);
}

/// What OpenTelemetry calls the type of an error: few and fixed names.
pub(crate) fn error_type(error: &CallError) -> &'static str {
    match error {
        CallError::NoPeer { .. } => "no_peer",
        CallError::Overloaded { .. } => "overloaded",
        CallError::Denied { .. } => "denied",
        CallError::Incompatible { .. } => "incompatible",
        CallError::LinkLost { .. } => "link_lost",
        CallError::DeadlineExceeded { .. } => "deadline_exceeded",
        CallError::Cancelled { .. } => "cancelled",
        CallError::Codec { .. } => "codec",
        CallError::HandlerPanicked { .. } => "handler_panicked",
        CallError::Refused { .. } => "refused",
        CallError::QueueFull { .. } => "queue_full",
        CallError::Queue { .. } => "queue",
        CallError::ShuttingDown { .. } => "shutting_down",
    }
}
