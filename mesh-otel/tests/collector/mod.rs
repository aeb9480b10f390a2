//! A collector for tests: takes spans by OTLP over HTTP, and keeps them.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, Span, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message;

/// A span that was exported.
#[derive(Debug, Clone)]
pub(crate) struct Exported {
    pub(crate) span: Span,
    /// What all spans of the process have in common.
    resource: Vec<KeyValue>,
}

impl Exported {
    pub(crate) fn is(&self, name: &str, kind: SpanKind) -> bool {
        self.span.name == name && self.span.kind() == kind
    }

    /// An attribute as text. Empty if it is not there.
    pub(crate) fn text(&self, key: &str) -> String {
        text(&self.span.attributes, key)
    }

    pub(crate) fn resource_text(&self, key: &str) -> String {
        text(&self.resource, key)
    }

    pub(crate) fn has_failed(&self) -> bool {
        let status = self.span.status.as_ref();
        status.is_some_and(|status| status.code() == SpanStatus::Error)
    }
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let Some(found) = attributes.iter().find(|found| found.key == key) else {
        return String::new();
    };
    match found.value.as_ref().and_then(|value| value.value.as_ref()) {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
    }
}

/// All that was exported to it. It listens on a thread of its own, so that it outlives each test.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Exported>>>);

impl Collector {
    pub(crate) fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let collector = Self::default();
        let routes = Router::new()
            .route("/v1/traces", post(receive))
            .with_state(collector.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, routes).await.unwrap();
            });
        });
        (collector, addr)
    }

    /// The spans of this trace.
    pub(crate) fn trace(&self, id: [u8; 16]) -> Vec<Exported> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_trace = all.iter().filter(|exported| exported.span.trace_id == id);
        of_trace.cloned().collect()
    }

    fn keep(&self, of: ResourceSpans) {
        let resource = of.resource.unwrap_or_default().attributes;
        let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(spans.map(|span| Exported {
            span,
            resource: resource.clone(),
        }));
    }
}

async fn receive(State(collector): State<Collector>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    for spans in request.resource_spans {
        collector.keep(spans);
    }
    StatusCode::OK
}
