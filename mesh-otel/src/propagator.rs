//! Joins the spans of different nodes, by the trace context that travels with calls.

use std::sync::Once;

use mesh_runtime::{TraceContext, TracePropagator, TraceRelation};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetrySpanExt, SetParentError};

/// Joins the spans of a node to those of others. From [`OtelTraces::propagator`](crate::OtelTraces::propagator).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct OtelPropagator;

impl TracePropagator for OtelPropagator {
    fn inject(&self, span: &Span) -> Option<TraceContext> {
        let context = span.context();
        let span = context.span();
        let context = span.span_context();
        // Not valid: the span is not exported, or the export has ended.
        context.is_valid().then(|| TraceContext {
            trace_id: context.trace_id().to_bytes(),
            span_id: context.span_id().to_bytes(),
            flags: context.trace_flags().to_u8(),
        })
    }

    fn extract(&self, span: &Span, remote: &TraceContext, relation: TraceRelation) {
        let remote = span_context(remote);
        // OpenTelemetry's conventions for messages link the span that processes a message to the one that created it,
        // and allow that one as the parent, too. With both, a job stays in the trace of the call that queued it, and
        // the link says which relation it is: nobody waits for the job.
        if relation == TraceRelation::Creator {
            span.add_link(remote.clone());
        }
        // A span can be given a parent until its context is used: from then on it has its ids.
        let parent = Context::new().with_remote_span_context(remote);
        if let Err(SetParentError::LayerNotFound) = span.set_parent(parent) {
            warn_of_missing_layer();
        }
    }
}

fn span_context(remote: &TraceContext) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(remote.trace_id),
        SpanId::from_bytes(remote.span_id),
        TraceFlags::new(remote.flags),
        true,
        TraceState::NONE,
    )
}

/// Once is enough.
fn warn_of_missing_layer() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            "spans are not exported: add the layer to the subscriber, by `.with(otel.layer())`"
        );
    });
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::Otel;

    /// Not sampled, so that nothing is exported.
    const REMOTE: TraceContext = TraceContext {
        trace_id: *b"0123456789abcdef",
        span_id: *b"01234567",
        flags: 0,
    };

    #[test]
    fn a_span_that_nobody_exports_has_no_context() {
        assert_eq!(OtelPropagator.inject(&Span::none()), None);
        let subscriber = tracing_subscriber::registry();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("seen");
            OtelPropagator.extract(&span, &REMOTE, TraceRelation::Parent);
            assert_eq!(OtelPropagator.inject(&span), None);
        });
    }

    #[test]
    fn a_span_is_in_the_trace_of_its_remote_parent_and_so_are_its_children() {
        let otel = Otel::new("test").sample(0.0).endpoint("http://127.0.0.1:1");
        let otel = otel.start().unwrap();
        let subscriber = tracing_subscriber::registry().with(otel.layer());
        tracing::subscriber::with_default(subscriber, || {
            for relation in [TraceRelation::Parent, TraceRelation::Creator] {
                let span = tracing::info_span!("served");
                OtelPropagator.extract(&span, &REMOTE, relation);
                let child = span.in_scope(|| tracing::info_span!("inside"));
                for span in [span, child] {
                    let context = OtelPropagator.inject(&span).unwrap();
                    assert_eq!((context.trace_id, context.flags), (REMOTE.trace_id, 0));
                    assert_ne!(context.span_id, REMOTE.span_id);
                }
            }
            let root = OtelPropagator.inject(&tracing::info_span!("root"));
            let root = root.unwrap();
            assert_ne!(root.trace_id, REMOTE.trace_id);
            assert_eq!(root.flags, 0);
        });
    }
}
