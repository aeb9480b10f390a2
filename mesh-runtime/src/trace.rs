//! Trace contexts: how the spans of one node are joined to those of another.

use std::{fmt, str::FromStr};

use bytes::BytesMut;
use tracing::Span;

use crate::wire::extensions::{self, kind};

/// Which trace a call belongs to, and which span of it made the call: the same as in the header `traceparent` of W3C's
/// [Trace Context](https://www.w3.org/TR/trace-context/), which it is displayed as and parsed from.
///
/// ```
/// use mesh_runtime::TraceContext;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let trace: TraceContext = text.parse()?;
/// assert_eq!(trace.to_string(), text);
/// # Ok::<(), mesh_runtime::NoTraceContext>(())
/// ```
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
    /// yet; not called for a call that queues a job, whose context goes with the job. Or a call is about to be made with
    /// a context of its own, by [`traceparent`](crate::BalancedCall::traceparent); then this is the span of that call.
    /// Never called with a span that is disabled.
    fn extract(&self, span: &Span, remote: &TraceContext, relation: TraceRelation);
}

/// The bytes of a context.
const LEN: usize = 16 + 8 + 1;
/// What a context takes up in a block, in bytes.
pub(crate) const ENTRY: usize = extensions::ENTRY_HEADER + LEN;

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trace = u128::from_be_bytes(self.trace_id);
        let span = u64::from_be_bytes(self.span_id);
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", self.flags)
    }
}

/// A text that is not the `traceparent` of W3C's Trace Context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a traceparent: expected 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, in lower case and not all zero"
)]
#[non_exhaustive]
pub struct NoTraceContext;

impl FromStr for TraceContext {
    type Err = NoTraceContext;

    /// Reads a `traceparent` of version 00, or as much of a later one as that says.
    fn from_str(text: &str) -> Result<Self, NoTraceContext> {
        let mut parts = text.split('-');
        let mut digits = |count| {
            let part = parts.next().filter(|part| part.len() == count);
            let lower = |digit: u8| digit.is_ascii_digit() || matches!(digit, b'a'..=b'f');
            let part = part.filter(|part| part.bytes().all(lower));
            part.and_then(|part| u128::from_str_radix(part, 16).ok())
                .ok_or(NoTraceContext)
        };
        let (version, trace, span, flags) = (digits(2)?, digits(32)?, digits(16)?, digits(2)?);
        let more = parts.next().is_some();
        if version == 0xff || (version == 0 && more) || trace == 0 || span == 0 {
            return Err(NoTraceContext);
        }
        Ok(Self {
            trace_id: trace.to_be_bytes(),
            span_id: (span as u64).to_be_bytes(),
            flags: flags as u8,
        })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_traceparent_is_an_error() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(good.parse::<TraceContext>().is_ok());
        let of_a_later_version = format!("01{}-more", &good[2..]);
        assert!(of_a_later_version.parse::<TraceContext>().is_ok());
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473ö-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(bad.parse::<TraceContext>(), Err(NoTraceContext), "{bad}");
        }
    }
}
