//! Joins the `tracing` spans of a mesh to [OpenTelemetry](https://opentelemetry.io), and exports them by OTLP over
//! HTTP.
//!
//! Each call, attempt, handler and job of a mesh has a span. This crate sends them to a collector such as Jaeger, Tempo
//! or the OpenTelemetry Collector, and sends the trace context along with calls, so that the spans of all nodes on the
//! way are one trace. It is a crate of its own, so that a new version of OpenTelemetry changes nothing for others: none
//! of OpenTelemetry's types is part of what it offers.
//!
//! ```no_run
//! use mesh_otel::Otel;
//! use mesh_runtime::{Context, mesh_schema};
//! use tracing_subscriber::{filter::LevelFilter, prelude::*};
//!
//! mesh_schema! {
//!     mesh Shop;
//!     node Gateway { connect: [Billing]; }
//!     node Billing { allow: [Gateway]; balanced fn charge(cents: u64) -> u64; }
//! }
//!
//! struct Till;
//!
//! impl BillingHandler for Till {
//!     async fn charge(&self, _: Context<Billing>, cents: u64) -> u64 {
//!         cents
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let otel = Otel::new("billing").sample(0.1).start()?;
//!     let lines = tracing_subscriber::fmt::layer().with_filter(LevelFilter::INFO);
//!     tracing_subscriber::registry().with(otel.layer()).with(lines).init();
//!
//!     let billing = Billing::node(Till).trace_propagator(otel.propagator()).start().await?;
//!     let ended = billing.run_until_signal().await;
//!     otel.shutdown().await;
//!     ended?;
//!     Ok(())
//! }
//! ```
//!
//! A node needs both: the layer exports spans, and the propagator joins them to those of other nodes. Several nodes in
//! one process share one export.
//!
//! # Which spans belong together
//! - The span of a handler is a child of the attempt that called it, on whatever node that was made.
//! - The span of a job is a child of the attempt that queued it, however much later it runs, and has a link to it.
//! - Spans of the application are joined by `tracing`, as usual: what a handler does is below the span of the handler.
//!
//! # What is exported
//! Spans of the target `mesh::call`, and spans of all other targets at INFO and above, with the events in them.
//! [`OtelTraces::layer_with`] takes another filter. A span is exported once it has ended, in a batch with others: at
//! the latest after 5 s, from a thread of its own. No call ever waits for the collector. At most 2,048 spans wait;
//! while the collector is away, those that come later are dropped.
//!
//! # Settings
//! What the code does not set is taken from the environment, by OpenTelemetry's names:
//!
//! | variable | method | default |
//! | --- | --- | --- |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | [`Otel::endpoint`] | `http://127.0.0.1:4318` |
//! | `OTEL_TRACES_SAMPLER_ARG` | [`Otel::sample`] | 1: all traces |
//! | `OTEL_RESOURCE_ATTRIBUTES` | [`Otel::attribute`] | none |
//!
//! The exporter also reads `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`,
//! `OTEL_EXPORTER_OTLP_TIMEOUT`, and `OTEL_BSP_*` for its batches.
//!
//! # Limits
//! - Only `http://`. A service that wants TLS is reached through a collector in your network, which passes spans on.
//! - If your program depends on `opentelemetry-otlp` itself, leave its features `reqwest-client` and `hyper-client`
//!   off: with them it would choose a client that cannot work on the thread of the exporter.

mod error;
mod export;
mod otel;
mod propagator;
mod settings;
mod traces;

pub use error::OtelError;
pub use otel::Otel;
pub use propagator::OtelPropagator;
pub use traces::OtelTraces;
