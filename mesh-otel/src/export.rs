//! OpenTelemetry's part: samples spans, collects them in batches, and exports them.

use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};

use crate::error::OtelError;

/// Starts to export to this URL.
///
/// The batches leave from a thread of OpenTelemetry's, on which there is no Tokio runtime. So the HTTP client must be
/// the blocking one, which may be neither made nor dropped where asynchronous code runs: the builder of the exporter
/// makes it on a thread of its own, and it is dropped with the exporter, on the thread of the batches.
///
/// # Errors
/// If the URL cannot be parsed, or if there can be no thread for the HTTP client.
pub(crate) fn provider(
    service: String,
    attributes: Vec<(String, String)>,
    share: f64,
    url: String,
) -> Result<SdkTracerProvider, OtelError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(url)
        .build()
        .map_err(|error| OtelError::Exporter(error.to_string()))?;
    let attributes = attributes
        .into_iter()
        .map(|(key, value)| KeyValue::new(key, value));
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attributes(attributes)
        .build();
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share)));
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .with_sampler(sampler)
        .build())
}
