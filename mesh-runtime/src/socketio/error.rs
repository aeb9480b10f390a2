//! Why a connection could not be opened, or why it ended. One type for both sides of the transport.

use std::{io, sync::Arc, time::Duration};

use super::MAX_PAYLOAD_BYTES;

/// Why a connection could not be opened, why a payload could not be sent, or why the connection ended.
///
/// Cheap to clone, because the reader, the writer and the caller of `close` all get the same reason.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TransportError {
    /// The other side closed the connection, gracefully or with a reset.
    #[error("the peer closed the connection")]
    Closed,
    /// This side closed the connection: `close`, a dropped sink, a `Break`, or the server's stop.
    #[error("this side closed the connection")]
    ClosedHere,
    /// The operating system reported an error on the connection.
    #[error("input or output failed: {0}")]
    Io(#[source] Arc<io::Error>),
    /// No address of the host could be reached.
    #[error(
        "cannot connect to {host}:{port}: {source}; is the address right, and does something listen there?"
    )]
    Unreachable {
        /// The host as it was given.
        host: String,
        /// The port as it was given.
        port: u16,
        /// The error of the last address that was tried.
        #[source]
        source: Arc<io::Error>,
    },
    /// The connection was not ready for payloads within the time allowed.
    #[error(
        "no Socket.IO connection within {0:?}; the host may be away, or something else listens on that port"
    )]
    ConnectTimedOut(Duration),
    /// Something answers there, but it does not speak Socket.IO v5 over WebSocket.
    #[error("no Socket.IO server answers there: {0}")]
    NotSocketIo(String),
    /// The server refused the Socket.IO connection.
    #[error("the server refused the connection: {0}")]
    Refused(String),
    /// The peer broke the protocol.
    #[error("the peer broke the protocol: {0}")]
    Malformed(&'static str),
    /// A payload is larger than the transport allows.
    #[error("a payload of {bytes} bytes is larger than the limit of {MAX_PAYLOAD_BYTES}")]
    TooLarge {
        /// The size of the payload, or of the message that held it.
        bytes: usize,
    },
    /// Nothing at all was received from the peer for longer than the heartbeat allows.
    #[error("nothing was heard from the peer within its heartbeat")]
    Silent,
    /// A write made no progress within the time allowed, because the peer does not read.
    #[error("the peer took nothing for {0:?}")]
    WriteTimedOut(Duration),
    /// The outgoing buffer is full. The payload was not sent.
    #[error("the outgoing buffer is full")]
    BufferFull,
}

impl From<io::Error> for TransportError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
