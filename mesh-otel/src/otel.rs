//! What is set before the export of traces starts.

use crate::{
    error::OtelError,
    export,
    settings::{self, variable},
    traces::OtelTraces,
};

/// The settings of an export of traces. What is not set is taken from the environment, as the [crate](crate) tells.
#[derive(Debug, Clone)]
#[must_use = "nothing is exported until it is started"]
pub struct Otel {
    service: String,
    endpoint: Option<String>,
    attributes: Vec<(String, String)>,
    sample: Option<f64>,
}

impl Otel {
    /// An export under this name of a service (`service.name`), such as that of the node type.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            endpoint: None,
            attributes: Vec::new(),
            sample: None,
        }
    }

    /// The address of the collector, such as `http://collector:4318`. The path `/v1/traces` is added. Default:
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, or `http://127.0.0.1:4318`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// An attribute that all spans share, such as `deployment.environment.name`. It replaces one of the same name from
    /// `OTEL_RESOURCE_ATTRIBUTES`.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((key.into(), value.into()));
        self
    }

    /// The share of traces that are sampled, from 0 to 1. It decides about traces that begin here. A span with a
    /// parent, here or on another node, is sampled if its parent is. Default: `OTEL_TRACES_SAMPLER_ARG`, or all traces.
    pub fn sample(mut self, share: f64) -> Self {
        self.sample = Some(share);
        self
    }

    /// Starts the export. Does not look for the collector: while it is away, spans are dropped and errors are logged.
    ///
    /// # Errors
    /// If a setting is not valid.
    pub fn start(self) -> Result<OtelTraces, OtelError> {
        let url = settings::traces_url(self.endpoint.as_deref(), variable)?;
        let share = settings::share(self.sample, variable)?;
        let provider = export::provider(self.service, self.attributes, share, url)?;
        Ok(OtelTraces::new(provider))
    }
}
