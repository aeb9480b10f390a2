//! The `tracing` spans of calls, attempts, handlers and jobs, with the field names of OpenTelemetry's semantic
//! conventions. All of them have the level DEBUG. While nobody listens, a span costs one comparison.

use std::fmt;

use tracing::{
    Span, debug_span,
    field::{self, Empty},
    level_filters::LevelFilter,
};

use crate::{
    id::{CommandName, JobId, NodeId},
    metrics::EndStatus,
};

/// A span with what all of them have: the target, by which a filter finds them, a name and kind for OpenTelemetry, and
/// room for an error.
macro_rules! span {
    ($name:literal, $kind:literal, $otel_name:expr, $($fields:tt)*) => {
        debug_span!(
            target: "mesh::call",
            $name,
            otel.name = $otel_name,
            otel.kind = $kind,
            otel.status_code = Empty,
            error.type = Empty,
            $($fields)*
        )
    };
}

/// The span of a call of this method, or of a part of it.
macro_rules! rpc_span {
    ($name:literal, $kind:literal, $otel_name:expr, $method:expr, $($fields:tt)*) => {
        span!(
            $name,
            $kind,
            $otel_name,
            rpc.system.name = "mesh",
            rpc.method = $method,
            $($fields)*
        )
    };
}

/// The span of an operation on the jobs of this destination.
macro_rules! messaging_span {
    ($name:literal, $kind:literal, $operation:literal, $destination:expr, $($fields:tt)*) => {
        span!(
            $name,
            $kind,
            format_args!("{} {}", $operation, $destination),
            messaging.system = "mesh",
            messaging.operation.name = $operation,
            messaging.operation.type = $operation,
            messaging.destination.name = field::display(&$destination),
            $($fields)*
        )
    };
}

/// A command as OpenTelemetry names it.
struct Path(CommandName);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.node_type, self.0.name)
    }
}

/// Whether spans may be listened to. If not, they need not be made.
#[inline]
pub(crate) fn listening() -> bool {
    LevelFilter::current() >= LevelFilter::DEBUG
}

/// A call, with all its attempts.
pub(crate) fn call(command: CommandName, queues_job: bool) -> Span {
    let path = Path(command);
    if queues_job {
        messaging_span!("queue", "producer", "send", path,)
    } else {
        rpc_span!(
            "call",
            "client",
            field::display(&path),
            field::display(&path),
        )
    }
}

/// One attempt of a call.
pub(crate) fn attempt(command: CommandName, peer: &NodeId, addr: &str, number: u32) -> Span {
    let path = Path(command);
    rpc_span!(
        "attempt",
        "client",
        format_args!("attempt {path}"),
        field::display(&path),
        network.peer.address = addr,
        mesh.peer = %peer.instance,
        mesh.attempt = number,
    )
}

/// The handler of a call or broadcast.
pub(crate) fn handler(command: CommandName, caller: Option<&NodeId>) -> Span {
    let path = Path(command);
    rpc_span!(
        "handler",
        "server",
        field::display(&path),
        field::display(&path),
        mesh.peer = caller.map(field::display),
    )
}

/// One attempt of a job.
pub(crate) fn job(command: CommandName, job: &JobId, attempt: u32) -> Span {
    let path = Path(command);
    messaging_span!(
        "job",
        "consumer",
        "process",
        path,
        messaging.message.id = %job,
        mesh.attempt = attempt,
    )
}

/// Notes that what the span stands for has failed like this.
pub(crate) fn failed(span: &Span, status: EndStatus) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", status.name());
}
