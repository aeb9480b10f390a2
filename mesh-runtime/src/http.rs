//! The plain HTTP beside Socket.IO: for probes. Tells a stranger nothing about the mesh.

use axum::{Router, routing::get};

/// `GET /health` answers `ok` for as long as the process listens.
pub(crate) fn health() -> Router {
    Router::new().route("/health", get(async || "ok\n"))
}
