//! The writing end of a connection, the same for both sides.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::{Closer, TransportError, client::ClientSink, connection::ServerSink};

/// The writing end of a connection. It owns the connection: dropping it cuts the connection at once.
#[derive(Debug)]
pub(crate) struct Sink {
    side: Side,
    write_timeout: Duration,
}

#[derive(Debug)]
enum Side {
    Client(ClientSink),
    Server(ServerSink),
}

impl Sink {
    pub(super) fn client(sink: ClientSink, write_timeout: Duration) -> Self {
        Self {
            side: Side::Client(sink),
            write_timeout,
        }
    }

    pub(super) fn server(sink: ServerSink, write_timeout: Duration) -> Self {
        Self {
            side: Side::Server(sink),
            write_timeout,
        }
    }

    /// Sends one payload, see [`send_all`](Self::send_all).
    pub(crate) async fn send(&mut self, payload: Bytes) -> Result<(), TransportError> {
        self.send_all([payload]).await
    }

    /// Sends payloads in order, with one flush for all of them.
    ///
    /// Waits while the peer does not read, up to the write limit, and so provides back-pressure. `Ok` means that the
    /// payloads are handed over (to the operating system on the client side, to a bounded buffer on the server side),
    /// not that they have arrived. Any error ends the connection. Not cancel safe: dropping the future before it
    /// completes ends the connection too.
    pub(crate) async fn send_all(
        &mut self,
        payloads: impl IntoIterator<Item = Bytes>,
    ) -> Result<(), TransportError> {
        let guard = CutUnlessDone::new(self.closer());
        let sent = timeout(self.write_timeout, async {
            match &mut self.side {
                Side::Client(sink) => sink.send_all(payloads).await,
                Side::Server(sink) => sink.send_all(payloads).await,
            }
        });
        let error = match sent.await {
            Ok(Ok(())) => {
                guard.done();
                return Ok(());
            }
            Ok(Err(error)) => error,
            Err(_) => TransportError::WriteTimedOut(self.write_timeout),
        };
        // The first reason stays. If the connection had already ended, the caller gets that reason.
        self.closer().cut(error.clone());
        Err(self.closer().reason().unwrap_or(error))
    }

    /// Closes the connection gracefully: earlier payloads are still sent, the peer is told, and after at most a second
    /// the connection is cut. The [`Inbound`](super::Inbound) may still get payloads meanwhile.
    pub(crate) async fn close(&mut self) {
        match &mut self.side {
            Side::Client(sink) => sink.close().await,
            Side::Server(sink) => sink.close().await,
        }
    }

    /// A handle that cuts this connection from anywhere.
    pub(crate) fn closer(&self) -> Closer {
        match &self.side {
            Side::Client(sink) => sink.closer().clone(),
            Side::Server(sink) => sink.closer().clone(),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        match &self.side {
            Side::Client(sink) => sink.closer().abort(),
            Side::Server(sink) => sink.disown(),
        }
    }
}

/// Cuts the connection if it is dropped before `done` is called. A future that is dropped half-way may have sent a
/// header without its attachment, and a handler that panics has lost a payload.
pub(super) struct CutUnlessDone(Option<Closer>);

impl CutUnlessDone {
    pub(super) fn new(closer: Closer) -> Self {
        Self(Some(closer))
    }

    pub(super) fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for CutUnlessDone {
    fn drop(&mut self) {
        if let Some(closer) = &self.0 {
            closer.abort();
        }
    }
}
