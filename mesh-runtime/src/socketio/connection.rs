//! One accepted connection on the server side: how it is connected to socketioxide, and how it is written to.
//!
//! socketioxide delivers events to handlers, and puts outgoing messages into a channel of its own. [`PayloadHandler`]
//! is called inline and in order. [`ServerSink`] keeps the channel far from full, because socketioxide ends the session
//! if the channel is full when a ping is due.

use std::{
    collections::VecDeque,
    fmt,
    net::SocketAddr,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use socketioxide::{
    SendError, SocketError,
    adapter::LocalAdapter,
    handler::{DisconnectHandler, MessageHandler, Value},
    socket::{DisconnectReason, Socket},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    Acceptor, CLOSE_GRACE, Closer, EVENT, Inbound, Incoming, MAX_TEXT_PAYLOAD_BYTES, Sink,
    TransportError, codec, sink::CutUnlessDone,
};

/// The capacity of socketioxide's channel to its writer, in messages.
pub(super) const CHANNEL_MESSAGES: usize = 1024;
/// How many of these messages a sink uses. The rest is reserved for pings.
const MAX_QUEUED_MESSAGES: usize = 512;
/// How many bytes may wait in that channel. A message is always accepted if the channel is empty.
const MAX_QUEUED_BYTES: u64 = 1024 * 1024;

/// The state that the accept loop, the handlers and the sink of one connection share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) closer: Closer,
    write_timeout: Duration,
    /// Whether the acceptor was asked. It is asked only once per connection.
    asked: AtomicBool,
    /// Whether the sink was dropped, so that nobody owns the connection any more.
    disowned: AtomicBool,
    /// Cancelled when the acceptor has accepted the connection.
    accepted: CancellationToken,
    /// Cancelled when CONNECT is answered: from then on, socketioxide takes outgoing messages.
    ready: CancellationToken,
    session: Mutex<SocketSession>,
}

#[derive(Default)]
struct SocketSession {
    /// Taken when the connection ends, so that the connection and its user do not keep each other alive.
    inbound: Option<Arc<dyn Inbound>>,
    socket: Weak<Socket<LocalAdapter>>,
}

impl fmt::Debug for SocketSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketSession").finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, write_timeout: Duration) -> Self {
        Self {
            peer,
            write_timeout,
            closer: Closer::default(),
            asked: AtomicBool::new(false),
            disowned: AtomicBool::new(false),
            accepted: CancellationToken::new(),
            ready: CancellationToken::new(),
            session: Mutex::default(),
        }
    }

    /// Resolves when the acceptor has accepted the connection.
    pub(super) async fn accepted(&self) {
        self.accepted.cancelled().await;
    }

    /// Records that socketioxide takes outgoing messages from now on.
    pub(super) fn set_ready(&self) {
        self.ready.cancel();
    }

    fn session(&self) -> MutexGuard<'_, SocketSession> {
        // A poisoned lock is ignored: no code under it can leave the state half changed.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the acceptor, and registers the handlers if it accepts. Runs before CONNECT is answered, so that no payload
    /// can arrive before its handler is registered.
    pub(super) fn join(
        self: &Arc<Self>,
        socket: &Arc<Socket<LocalAdapter>>,
        acceptor: &dyn Acceptor,
    ) -> Result<(), &'static str> {
        if self.asked.swap(true, Ordering::AcqRel) || self.closer.is_cut() {
            return Err("this connection was already used");
        }
        let sink = ServerSink {
            connection: self.clone(),
            queued: QueuedBytes::default(),
        };
        self.session().socket = Arc::downgrade(socket);
        let inbound = acceptor
            .accept(Incoming {
                peer: self.peer,
                sink: Sink::server(sink, self.write_timeout),
                closer: self.closer.clone(),
            })
            .ok_or("refused")?;
        self.session().inbound = Some(inbound.clone());
        let payloads = PayloadHandler {
            connection: self.clone(),
            inbound,
        };
        socket.on(EVENT, payloads);
        socket.on_fallback(OtherEvent(self.clone()));
        socket.on_disconnect(Disconnected(self.clone()));
        self.accepted.cancel();
        if self.disowned.load(Ordering::Acquire) {
            self.closer.abort();
        }
        Ok(())
    }

    /// Called when the sink was dropped. A connection that is not yet accepted is not cut, because a refused peer must
    /// still receive the refusal.
    fn disown(&self) {
        self.disowned.store(true, Ordering::Release);
        if self.accepted.is_cancelled() {
            self.closer.abort();
        }
    }

    /// Performs the closing handshake, waits at most [`CLOSE_GRACE`] for the peer to close, and cuts the connection.
    pub(super) async fn close(&self) {
        let socket = self.session().socket.upgrade();
        if let Some(socket) = socket.filter(|_| !self.closer.is_cut()) {
            self.closer.note(TransportError::ClosedHere);
            // The peer closes when it reads this, and by then it has read everything that was sent before.
            if socket.disconnect().is_ok() {
                // If the peer has begun to close as well, the socket may be closed without a cut.
                let ended = async {
                    tokio::select! {
                        () = self.closer.was_cut() => {}
                        () = self.closer.gone() => {}
                    }
                };
                let _ = timeout(CLOSE_GRACE, ended).await;
            }
        }
        self.closer.abort();
    }

    /// Reports the close to the [`Inbound`], if there is one. Called once, when the socket is closed.
    pub(super) fn ended(&self) {
        let inbound = self.session().inbound.take();
        if let Some(inbound) = inbound {
            inbound.on_close(self.closer.reason_or_closed());
        }
    }
}

/// Handles the event `m`. Called by the connection's reader, inline and in order.
struct PayloadHandler {
    connection: Arc<Connection>,
    inbound: Arc<dyn Inbound>,
}

impl MessageHandler<LocalAdapter, ()> for PayloadHandler {
    fn call(&self, _: Arc<Socket<LocalAdapter>>, event: Value, ack_id: Option<i64>) {
        let closer = &self.connection.closer;
        // Events that were read before a cut still arrive here after it, and are dropped.
        if closer.is_cut() {
            return;
        }
        match payload_of(event, ack_id) {
            Ok(payload) => {
                let guard = CutUnlessDone::new(closer.clone());
                if self.inbound.on_payload(payload) == ControlFlow::Continue(()) {
                    guard.done();
                }
            }
            Err(reason) => closer.cut(reason),
        }
    }
}

fn payload_of(event: Value, ack_id: Option<i64>) -> Result<Bytes, TransportError> {
    if ack_id.is_some() {
        return Err(TransportError::Malformed(
            "an event that asks for an acknowledgement",
        ));
    }
    let Value::Str(json, attachments) = event else {
        return Err(TransportError::Malformed("an event that is not JSON"));
    };
    // The parser is configured to accept at most one attachment.
    let attachment = attachments.and_then(|mut attachments| attachments.pop_front());
    codec::payload(json.as_str(), attachment)
}

/// Handles every event that is not `m`.
struct OtherEvent(Arc<Connection>);

impl MessageHandler<LocalAdapter, ()> for OtherEvent {
    fn call(&self, _: Arc<Socket<LocalAdapter>>, _: Value, _: Option<i64>) {
        self.0.closer.cut(codec::WRONG_EVENT);
    }
}

/// Called by socketioxide when the session is over.
struct Disconnected(Arc<Connection>);

impl DisconnectHandler<LocalAdapter, ()> for Disconnected {
    fn call_with_defer(
        &self,
        socket: Arc<Socket<LocalAdapter>>,
        reason: DisconnectReason,
        defer: fn(Arc<Socket<LocalAdapter>>),
    ) {
        let closer = &self.0.closer;
        match reason {
            // From `close`, which waits for the peer before it cuts.
            DisconnectReason::ServerNSDisconnect => closer.note(TransportError::ClosedHere),
            DisconnectReason::ClosingServer => closer.cut(TransportError::ClosedHere),
            DisconnectReason::TransportClose | DisconnectReason::ClientNSDisconnect => {
                closer.cut(TransportError::Closed);
            }
            DisconnectReason::HeartbeatTimeout => closer.cut(TransportError::Silent),
            DisconnectReason::PacketParsingError => {
                closer.cut(TransportError::Malformed("not a Socket.IO packet of ours"));
            }
            // A failure of the socket itself is already recorded, so only these causes remain.
            DisconnectReason::TransportError | DisconnectReason::MultipleHttpPollingError => {
                closer.cut(TransportError::Malformed(
                    "not an Engine.IO packet, a broken WebSocket frame, or one that is too large",
                ));
            }
        }
        defer(socket);
    }
}

/// The writing side of a connection that this process accepted.
#[derive(Debug)]
pub(super) struct ServerSink {
    connection: Arc<Connection>,
    queued: QueuedBytes,
}

impl ServerSink {
    pub(super) fn closer(&self) -> &Closer {
        &self.connection.closer
    }

    /// Passes `payloads` to socketioxide's writer, which flushes when it has written everything in its channel.
    pub(super) async fn send_all(
        &mut self,
        payloads: impl IntoIterator<Item = Bytes>,
    ) -> Result<(), TransportError> {
        let connection = self.connection.clone();
        tokio::select! {
            biased;
            () = connection.ready.cancelled() => {}
            () = connection.closer.was_cut() => return Err(connection.closer.reason_or_closed()),
        }
        for payload in payloads {
            let payload = codec::within_limit(payload)?;
            if payload.len() <= MAX_TEXT_PAYLOAD_BYTES {
                let text = codec::payload_text(&payload);
                let wire = text_frame_bytes(text.len());
                self.room_for(wire).await?;
                self.emit(&text)?;
                self.queued.push(wire);
            } else {
                let wire = attachment_frames_bytes(payload.len());
                self.room_for(wire).await?;
                self.emit(&payload)?;
                self.queued.push(wire);
            }
        }
        Ok(())
    }

    fn emit<T: serde::Serialize + ?Sized>(&self, argument: &T) -> Result<(), TransportError> {
        let closer = &self.connection.closer;
        let socket = self.connection.session().socket.upgrade();
        let Some(socket) = socket.filter(|_| !closer.is_cut()) else {
            return Err(closer.reason_or_closed());
        };
        socket.emit(EVENT, argument).map_err(|error| match error {
            SendError::Socket(SocketError::InternalChannelFull) => TransportError::BufferFull,
            SendError::Socket(SocketError::Closed) => closer.reason_or_closed(),
            SendError::Serialize(error) => std::io::Error::other(error).into(),
        })
    }

    /// Waits until the operating system has taken enough of the earlier messages.
    async fn room_for(&mut self, bytes: u64) -> Result<(), TransportError> {
        let closer = &self.connection.closer;
        loop {
            if self.queued.has_room(bytes, closer.written()) {
                return Ok(());
            }
            let progress = closer.progress();
            tokio::pin!(progress);
            progress.as_mut().enable();
            // Check again, now that no progress can be missed.
            if closer.is_cut() {
                return Err(closer.reason_or_closed());
            }
            if !self.queued.has_room(bytes, closer.written()) {
                progress.await;
            }
        }
    }

    pub(super) async fn close(&mut self) {
        self.connection.close().await;
    }

    pub(super) fn disown(&self) {
        self.connection.disown();
    }
}

/// Tracks what was passed to socketioxide and is not yet written, by counting the bytes that are written to the socket.
///
/// A message counts for at most its real size on the wire, and other bytes that are written (pings) count as progress
/// too. The error is therefore a few bytes towards "written", and nothing waits for bytes that will never be written.
#[derive(Debug, Default)]
struct QueuedBytes {
    /// The value of [`Closer::written`] at which the last message is written.
    total: u64,
    /// The same for each message that is not yet written, in order.
    ends: VecDeque<u64>,
}

impl QueuedBytes {
    fn has_room(&mut self, bytes: u64, written: u64) -> bool {
        while self.ends.front().is_some_and(|end| *end <= written) {
            self.ends.pop_front();
        }
        if self.ends.is_empty() {
            self.total = written;
            return true;
        }
        self.ends.len() < MAX_QUEUED_MESSAGES
            && self.total + bytes <= written.saturating_add(MAX_QUEUED_BYTES)
    }

    fn push(&mut self, bytes: u64) {
        self.total += bytes;
        self.ends.push_back(self.total);
    }
}

/// The size of a payload's one text frame: `42["m","…"]` and the WebSocket header.
fn text_frame_bytes(base64: usize) -> u64 {
    let text = base64 + r#"42["m",""]"#.len();
    (text + websocket_header(text)) as u64
}

/// The size of a payload's two frames.
fn attachment_frames_bytes(payload: usize) -> u64 {
    let header = codec::BINARY_HEADER.len();
    (header + websocket_header(header) + payload + websocket_header(payload)) as u64
}

/// The size of the header of an unmasked WebSocket frame.
fn websocket_header(payload: usize) -> usize {
    match payload {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_queue_takes_any_message() {
        let mut queued = QueuedBytes::default();
        assert!(queued.has_room(10 * MAX_QUEUED_BYTES, 77));
    }

    #[test]
    fn a_queue_is_full_by_messages_or_by_bytes_until_they_are_written() {
        let mut queued = QueuedBytes::default();
        for _ in 0..MAX_QUEUED_MESSAGES {
            assert!(queued.has_room(10, 100));
            queued.push(10);
        }
        assert!(!queued.has_room(10, 100));
        assert!(!queued.has_room(10, 109));
        assert!(queued.has_room(10, 110));

        let mut queued = QueuedBytes::default();
        assert!(queued.has_room(MAX_QUEUED_BYTES, 0));
        queued.push(MAX_QUEUED_BYTES);
        assert!(!queued.has_room(1, 0));
        assert!(queued.has_room(1, 1));
    }

    #[test]
    fn bytes_that_were_not_counted_do_not_add_up() {
        let mut queued = QueuedBytes::default();
        assert!(queued.has_room(10, 0));
        queued.push(10);
        assert!(queued.has_room(10, 1_000_000));
        queued.push(10);
        assert_eq!(queued.ends, [1_000_010]);
    }
}
