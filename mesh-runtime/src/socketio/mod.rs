//! The transport of a link: opaque payloads in order over Socket.IO v5 on Engine.IO v4, WebSocket only.
//!
//! There is one event, `m`, with one argument: a payload, as a binary attachment or as base64 text. Payloads arrive
//! complete, in order and once. If that fails, the connection ends, and it reports one reason, exactly once.
//!
//! - [`connect`] opens a connection, [`Server`] accepts them; both give a [`Sink`] to send through and take an
//!   [`Inbound`] to deliver to.
//! - `codec` is the text format, `stream` the TCP stream that can be cut.
//!
//! This module must not know what is in a payload: no keys, no frames, no calls.

mod client;
mod codec;
mod connection;
mod error;
#[cfg(feature = "testing")]
pub mod interop;
mod server;
mod sink;
mod stream;
#[cfg(test)]
mod tests;

use std::{ops::ControlFlow, time::Duration};

use bytes::Bytes;

pub(crate) use client::connect;
pub(crate) use error::TransportError;
pub(crate) use server::{Acceptor, Incoming, Server};
pub(crate) use sink::Sink;
pub(crate) use stream::Closer;

/// The largest payload that a connection carries, in bytes. A sealed batch is never larger, because big arguments
/// travel in chunks. The limit is small, so that an unauthenticated peer cannot make a receiver use much memory.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 300 * 1024;

/// Up to this size, in bytes, a payload is sent as base64 text, above it as a binary attachment.
///
/// Text needs one WebSocket frame and one wake-up, while an attachment needs two of each. But text is a third longer,
/// and is processed several times (base64, JSON, UTF-8). Measured over loopback, text is faster up to about 256 bytes,
/// both are equal at 512, and at 1 KiB a stream of attachments takes half the time of a stream of text. Receivers
/// accept both at any size.
const MAX_TEXT_PAYLOAD_BYTES: usize = 512;

/// The largest WebSocket message, in bytes. It is larger than the largest payload as base64, so that a payload slightly
/// over the limit is reported as too large and not as a broken frame.
const MAX_MESSAGE_BYTES: usize = 512 * 1024;

/// The read buffer of a WebSocket, in bytes. tungstenite clears the whole buffer before each read, so a larger one is
/// slower.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// How long a graceful close may take before the connection is cut.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// The one event.
const EVENT: &str = "m";

/// How long things may take on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The time from the first step until the connection is ready for payloads. On a server, it is also how long a
    /// plain HTTP connection may last. Default 5 s.
    pub(crate) connect: Duration,
    /// How long a write may make no progress, because the peer does not read. Default 10 s.
    pub(crate) write: Duration,
    /// Server: time between two pings. Default 5 s.
    pub(crate) ping_interval: Duration,
    /// Server: how long the answer to a ping may take. Default 5 s.
    pub(crate) ping_timeout: Duration,
    /// Client: added to the heartbeat time that the server announces, before silence ends the connection. Default 2 s.
    pub(crate) silence_slack: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            write: Duration::from_secs(10),
            ping_interval: Duration::from_secs(5),
            ping_timeout: Duration::from_secs(5),
            silence_slack: Duration::from_secs(2),
        }
    }
}

/// Receives what arrives on one connection.
pub(crate) trait Inbound: Send + Sync + 'static {
    /// Receives one payload. Called in the connection's own task, in order and never concurrently, so it must not
    /// block. `Break` ends the connection at once, and no payload is delivered after it.
    fn on_payload(&self, payload: Bytes) -> ControlFlow<()>;

    /// The connection has ended. Called exactly once, after the last payload.
    fn on_close(&self, reason: TransportError);
}
