//! Trace contexts: how the spans of one node are joined to those of another.

use bytes::BytesMut;
use tracing::Span;

use crate::wire::extensions::{self, kind};

/// Which trace a call belongs to, and which span of it made the call: the same as in W3C's `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span.
    pub span_id: [u8; 8],
    /// Bit 0: the trace is sampled.
    pub flags: u8,
}

/// How a span is related to the one that a trace context names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceRelation {
    /// The other span is its parent: it waits for the answer of this one.
    Parent,
    /// The other span has queued a job, and this one runs it.
    Creator,
}

/// Joins the `tracing` spans of a node to a system of traces, such as OpenTelemetry. Set by
/// [`NodeBuilder::trace_propagator`](crate::NodeBuilder::trace_propagator).
///
/// Without one, a trace context that comes with a call goes on with the calls that its handler makes, unchanged. Its
/// methods are called inline, and must not block or panic.
///
/// ```
/// use mesh_runtime::{TraceContext, TracePropagator, TraceRelation};
///
/// /// Puts the trace id into the log lines of a handler, in a field that its span has.
/// struct Logged;
///
/// impl TracePropagator for Logged {
///     fn inject(&self, _: &tracing::Span) -> Option<TraceContext> {
///         None
///     }
///
///     fn extract(&self, span: &tracing::Span, remote: &TraceContext, _: TraceRelation) {
///         span.record("trace_id", format!("{:032x}", u128::from_be_bytes(remote.trace_id)));
///     }
/// }
/// ```
pub trait TracePropagator: Send + Sync + 'static {
    /// The context to send along with an attempt that this span stands for; called for each attempt. The span is
    /// disabled if nobody listens to it. `None`: the context that came with the call which is being served, if there is
    /// one.
    fn inject(&self, span: &Span) -> Option<TraceContext>;

    /// A call, broadcast or job has come with a context; this is the span of its handler, which has not been entered
    /// yet. Not called for a call that queues a job, whose context goes with the job, nor if the span is disabled.
    fn extract(&self, span: &Span, remote: &TraceContext, relation: TraceRelation);
}

/// The bytes of a context.
const LEN: usize = 16 + 8 + 1;
/// What a context takes up in a block, in bytes.
pub(crate) const ENTRY: usize = extensions::ENTRY_HEADER + LEN;

impl TraceContext {
    /// Appends it to the extension block of a call.
    pub(crate) fn put(&self, block: &mut BytesMut) {
        let mut bytes = [0; LEN];
        bytes[..16].copy_from_slice(&self.trace_id);
        bytes[16..24].copy_from_slice(&self.span_id);
        bytes[24] = self.flags;
        extensions::put(block, kind::TRACE, &bytes);
    }

    /// The context in an extension block that is whole. One that makes no sense is left out: it must not cost a call.
    pub(crate) fn from_block(block: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = extensions::find(block, kind::TRACE)?.try_into().ok()?;
        let (trace_id, rest) = bytes.split_first_chunk()?;
        let (span_id, flags) = rest.split_first_chunk()?;
        let context = Self {
            trace_id: *trace_id,
            span_id: *span_id,
            flags: *flags.first()?,
        };
        let valid = context.trace_id != [0; 16] && context.span_id != [0; 8];
        valid.then_some(context)
    }
}
