//! An export that is under way: the layer that takes spans, and the end.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::SdkTracerProvider,
};
use tracing::{Level, Subscriber};
use tracing_subscriber::{Layer, filter::Targets, layer::Filter, registry::LookupSpan};

use crate::propagator::OtelPropagator;

/// How long anyone waits for the collector.
const LIMIT: Duration = Duration::from_secs(5);

/// An export of traces that is under way. Cheap to clone; all clones are the same export.
///
/// It goes on until [`shutdown`](Self::shutdown). A process that ends without it loses the spans of the last seconds.
#[derive(Debug, Clone)]
pub struct OtelTraces {
    provider: SdkTracerProvider,
}

impl OtelTraces {
    pub(crate) fn new(provider: SdkTracerProvider) -> Self {
        Self { provider }
    }

    /// The layer that exports spans, for a subscriber of `tracing`: the spans of the mesh (target `mesh::call`, level
    /// DEBUG), and everything else at INFO and above. Filters of other layers do not change what it sees.
    ///
    /// Do not put it into a `tracing_subscriber::reload::Layer`: the [propagator](Self::propagator) would not find it.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.layer_with::<S, _>(default_filter())
    }

    /// Like [`layer`](Self::layer), with a filter of your own. Let it pass `mesh::call` at DEBUG: without these spans,
    /// those of different nodes are not joined.
    pub fn layer_with<S, F>(&self, filter: F) -> impl Layer<S> + use<S, F>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        F: Filter<S> + 'static,
    {
        // Without the file and thread of each span: of those of the mesh, they tell nothing.
        tracing_opentelemetry::layer::<S>()
            .with_tracer(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_filter(filter)
    }

    /// Joins the spans of a node to those of others: for
    /// [`NodeBuilder::trace_propagator`](mesh_runtime::NodeBuilder::trace_propagator). Needs the [layer](Self::layer)
    /// in the subscriber of the process.
    pub fn propagator(&self) -> OtelPropagator {
        OtelPropagator
    }

    /// Exports all spans that have ended, and waits for it, for at most 5 s. If it fails, a warning is logged. Must be
    /// called in a Tokio runtime.
    pub async fn force_flush(&self) {
        let provider = self.provider.clone();
        finish(move || provider.force_flush()).await;
    }

    /// Exports all spans that have ended, and ends the export; waits for at most 5 s. If it fails, a warning is logged.
    /// Spans that end later are not exported. Must be called in a Tokio runtime.
    pub async fn shutdown(&self) {
        let provider = self.provider.clone();
        finish(move || match provider.shutdown_with_timeout(LIMIT) {
            // A second time.
            Err(OTelSdkError::AlreadyShutdown) => Ok(()),
            ended => ended,
        })
        .await;
    }
}

fn default_filter() -> Targets {
    Targets::new()
        .with_default(Level::INFO)
        .with_target("mesh::call", Level::DEBUG)
}

/// Waits for work that blocks its thread: on the thread of a runtime with one thread only, it could wait for itself.
async fn finish(work: impl FnOnce() -> OTelSdkResult + Send + 'static) {
    let work = tokio::task::spawn_blocking(work);
    let why = match tokio::time::timeout(LIMIT, work).await {
        Ok(Ok(Ok(()))) => return,
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it takes longer than {LIMIT:?}"),
    };
    tracing::warn!(%why, "spans could not be exported: check that the collector can be reached");
}
