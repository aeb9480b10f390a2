//! The bare transport for this workspace's interop tests, which need a peer without sealing. Not API.

use std::{io, net::SocketAddr, ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Acceptor, Inbound, Incoming, Limits, Server, TransportError, connect};

/// How many received payloads may wait in a test.
const WAITING: usize = 1024;

/// A server that sends every payload back.
#[derive(Debug)]
pub struct EchoServer(Server);

impl EchoServer {
    /// Starts it on a free port of the loopback address.
    ///
    /// # Errors
    /// If the system gives no port.
    pub async fn start() -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        Server::start(listener, Limits::default(), Arc::new(Echo)).map(Self)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// Stops it.
    pub async fn stop(self) {
        self.0.stop().await;
    }
}

/// Connects our client to an echo server, sends `payloads`, and returns as many as come back.
///
/// # Errors
/// The error of the transport, as text.
pub async fn exchange(address: SocketAddr, payloads: Vec<Bytes>) -> Result<Vec<Bytes>, String> {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let host = address.ip().to_string();
    let inbound = |_: &_| Arc::new(InteropInbound(sender));
    let mut sink = connect(&host, address.port(), &Limits::default(), inbound)
        .await
        .map_err(|error| error.to_string())?;
    let expected = payloads.len();
    let sent = sink.send_all(payloads).await;
    sent.map_err(|error| error.to_string())?;
    let mut received = Vec::with_capacity(expected);
    while received.len() < expected {
        match receiver.recv().await {
            Some(Ok(payload)) => received.push(payload),
            Some(Err(reason)) => return Err(reason.to_string()),
            None => return Err("the connection ended without a reason".into()),
        }
    }
    sink.close().await;
    Ok(received)
}

/// Passes on payloads and the close reason. If more than [`WAITING`] payloads wait, the connection ends.
struct InteropInbound(mpsc::Sender<Result<Bytes, TransportError>>);

impl Inbound for InteropInbound {
    fn on_payload(&self, payload: Bytes) -> ControlFlow<()> {
        match self.0.try_send(Ok(payload)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn on_close(&self, reason: TransportError) {
        let _ = self.0.try_send(Err(reason));
    }
}

struct Echo;

impl Acceptor for Echo {
    fn accept(&self, connection: Incoming) -> Option<Arc<dyn Inbound>> {
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let mut sink = connection.sink;
        tokio::spawn(async move {
            while let Some(Ok(payload)) = receiver.recv().await {
                if sink.send(payload).await.is_err() {
                    break;
                }
            }
        });
        Some(Arc::new(InteropInbound(sender)))
    }
}
