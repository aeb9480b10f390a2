//! Why the export of traces does not start.

/// Why the export of traces does not start.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OtelError {
    /// The address of the collector is not valid.
    #[error("{setting}: `{endpoint}` is not the address of a collector: {why}")]
    Endpoint {
        /// The method or variable that sets it.
        setting: &'static str,
        /// What it is set to.
        endpoint: String,
        /// What is wrong, and how to fix it.
        why: &'static str,
    },

    /// The share of traces that are sampled is not valid.
    #[error("{setting}: `{share}` is not a share of all traces: use a number from 0 to 1")]
    Share {
        /// The method or variable that sets it.
        setting: &'static str,
        /// What it is set to.
        share: String,
    },

    /// A variable of the environment is not text.
    #[error("the variable {name} is not valid UTF-8: set it anew, or remove it")]
    Variable {
        /// Its name.
        name: &'static str,
    },

    /// OpenTelemetry's exporter could not be made, for this reason.
    #[error("the exporter of spans could not be made: {0}")]
    Exporter(String),
}
