//! The transport over real loopback sockets: our client with our server, and each against a raw peer that breaks the
//! rules. The tests wait for events; the deadlines here only keep a failing test from hanging.

mod against_raw_clients;
mod against_raw_servers;
mod together;

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use super::*;

/// A time limit that a test exceeds only if something is broken.
const NEVER: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(NEVER, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// What an [`Inbound`] has received.
#[derive(Debug)]
enum Event {
    Payload(Bytes),
    Closed(TransportError),
}

/// An [`Inbound`] that passes on what it receives, and returns `Break` for the payload `stop`.
struct Recorder(mpsc::UnboundedSender<Event>);

impl Inbound for Recorder {
    fn on_payload(&self, payload: Bytes) -> ControlFlow<()> {
        let stop = payload == "stop";
        let _ = self.0.send(Event::Payload(payload));
        if stop {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn on_close(&self, reason: TransportError) {
        let _ = self.0.send(Event::Closed(reason));
    }
}

/// The other end of a [`Recorder`].
struct Recorded(mpsc::UnboundedReceiver<Event>);

impl Recorded {
    fn new() -> (Arc<Recorder>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Arc::new(Recorder(sender)), Self(receiver))
    }

    async fn payload(&mut self) -> Bytes {
        match soon("a payload", self.0.recv()).await {
            Some(Event::Payload(payload)) => payload,
            other => panic!("no payload but {other:?}"),
        }
    }

    async fn closed(&mut self) -> TransportError {
        match soon("the end", self.0.recv()).await {
            Some(Event::Closed(reason)) => reason,
            other => panic!("no end but {other:?}"),
        }
    }

    /// Skips payloads until the close reason arrives, checks that nothing comes after it, and returns it.
    async fn closed_at_last(mut self) -> TransportError {
        loop {
            if let Some(Event::Closed(reason)) = soon("the end", self.0.recv()).await {
                let after = soon("the recorder to be dropped", self.0.recv()).await;
                assert!(after.is_none(), "told after the end: {after:?}");
                return reason;
            }
        }
    }
}

/// A connection that a test's server accepted.
struct Accepted {
    sink: Sink,
    inbound: Recorded,
}

/// Passes each connection to the test.
struct Acceptance(mpsc::UnboundedSender<Accepted>);

impl Acceptor for Acceptance {
    fn accept(&self, connection: Incoming) -> Option<Arc<dyn Inbound>> {
        let (recorder, inbound) = Recorded::new();
        let sink = connection.sink;
        self.0.send(Accepted { sink, inbound }).ok()?;
        Some(recorder)
    }
}

/// A server whose connections the test holds.
struct TestServer {
    server: Server,
    accepted: mpsc::UnboundedReceiver<Accepted>,
}

impl TestServer {
    async fn start(limits: Limits) -> Self {
        let (sender, accepted) = mpsc::unbounded_channel();
        let server = start_server(limits, Arc::new(Acceptance(sender))).await;
        Self { server, accepted }
    }

    fn port(&self) -> u16 {
        self.server.addr().port()
    }

    async fn accepted(&mut self) -> Accepted {
        let accepted = soon("a connection", self.accepted.recv()).await;
        accepted.expect("the server runs")
    }

    /// Connects our own client to this server.
    async fn link(&mut self) -> (Sink, Recorded, Accepted) {
        let (sink, inbound) = dial(self.port(), &Limits::default()).await.unwrap();
        (sink, inbound, self.accepted().await)
    }
}

async fn start_server(limits: Limits, acceptor: Arc<dyn Acceptor>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Server::start(listener, limits, acceptor).unwrap()
}

/// Connects our client to a port of this machine.
async fn dial(port: u16, limits: &Limits) -> Result<(Sink, Recorded), TransportError> {
    let (recorder, inbound) = Recorded::new();
    let connecting = connect("127.0.0.1", port, limits, |_| recorder);
    let sink = soon("the outcome of connect", connecting).await?;
    Ok((sink, inbound))
}

/// Bytes that each differ from their neighbours, so that a shift is noticed. They include 0x1E, Engine.IO's record
/// separator.
fn bytes(length: usize, seed: usize) -> Bytes {
    (0..length)
        .map(|i| ((i + seed).wrapping_mul(31) % 253) as u8)
        .map(|byte| if byte % 16 == 3 { 0x1e } else { byte })
        .collect()
}
