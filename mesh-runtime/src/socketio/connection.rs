//! One accepted connection on the server side: how it meets socketioxide, and how it is written to.
//!
//! socketioxide delivers through handlers and takes what is sent into a channel of its own. [`PayloadHandler`]
//! is called inline and in order; [`ServerSink`] keeps that channel far from full, because a full channel at the
//! time of a ping ends the session.

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

/// How many messages socketioxide's channel to its writer holds.
pub(super) const CHANNEL_MESSAGES: usize = 1024;
/// How many of them a sink uses: the rest is room for pings.
const MAX_QUEUED_MESSAGES: usize = 512;
/// How many bytes may wait in that channel, besides one message that is always let in.
const MAX_QUEUED_BYTES: u64 = 1024 * 1024;

/// What the accept loop, the handlers and the sink of one connection share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) closer: Closer,
    write_timeout: Duration,
    /// The acceptor was asked: it is asked once a connection.
    asked: AtomicBool,
    /// The sink was dropped: nobody owns the connection any more.
    disowned: AtomicBool,
    /// The acceptor said yes.
    accepted: CancellationToken,
    /// CONNECT is answered: socketioxide takes what is sent.
    ready: CancellationToken,
    session: Mutex<SocketSession>,
}

#[derive(Default)]
struct SocketSession {
    /// Taken when the connection ends, so that it and its user do not keep each other alive.
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

    /// Resolves when the acceptor has said yes.
    pub(super) async fn accepted(&self) {
        self.accepted.cancelled().await;
    }

    /// Tells that socketioxide takes what is sent from now on.
    pub(super) fn set_ready(&self) {
        self.ready.cancel();
    }

    fn session(&self) -> MutexGuard<'_, SocketSession> {
        // Nothing that runs under the lock can leave it half changed.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the acceptor, and registers the handlers if it says yes. Runs before CONNECT is answered, so
    /// that no payload can come before its handler.
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

    /// The sink was dropped. Before the connection is accepted that is no reason to cut it: a refused
    /// peer shall hear that it was refused.
    fn disown(&self) {
        self.disowned.store(true, Ordering::Release);
        if self.accepted.is_cancelled() {
            self.closer.abort();
        }
    }

    /// Says goodbye, gives the peer a little time to hear it, and cuts.
    pub(super) async fn close(&self) {
        let socket = self.session().socket.upgrade();
        if let Some(socket) = socket.filter(|_| !self.closer.is_cut()) {
            self.closer.note(TransportError::ClosedHere);
            // The peer closes when it reads this, and then it has read all that was sent before.
            if socket.disconnect().is_ok() {
                // Or the socket is closed without a cut: when the peer had begun to close as well.
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

    /// Tells the end, if there is anyone to tell. Called once, when the socket is closed.
    pub(super) fn ended(&self) {
        let inbound = self.session().inbound.take();
        if let Some(inbound) = inbound {
            inbound.on_close(self.closer.reason_or_closed());
        }
    }
}

/// Takes the event `m`. Called by the connection's reader, inline and in order.
struct PayloadHandler {
    connection: Arc<Connection>,
    inbound: Arc<dyn Inbound>,
}

impl MessageHandler<LocalAdapter, ()> for PayloadHandler {
    fn call(&self, _: Arc<Socket<LocalAdapter>>, event: Value, ack_id: Option<i64>) {
        let closer = &self.connection.closer;
        // What was read before the cut is still worked off here.
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
    // The parser is configured to let one attachment through at most.
    let attachment = attachments.and_then(|mut attachments| attachments.pop_front());
    codec::payload(json.as_str(), attachment)
}

/// Takes every event that is not `m`.
struct OtherEvent(Arc<Connection>);

impl MessageHandler<LocalAdapter, ()> for OtherEvent {
    fn call(&self, _: Arc<Socket<LocalAdapter>>, _: Value, _: Option<i64>) {
        self.0.closer.cut(codec::WRONG_EVENT);
    }
}

/// Hears from socketioxide that the session is over.
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
            // What failed on the socket itself is already recorded: this is what is left.
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

    /// Hands `payloads` to socketioxide's writer, which flushes when it has written all that waits.
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

    /// Waits until the operating system has taken enough of what was sent before.
    async fn room_for(&mut self, bytes: u64) -> Result<(), TransportError> {
        let closer = &self.connection.closer;
        loop {
            if self.queued.has_room(bytes, closer.written()) {
                return Ok(());
            }
            let progress = closer.progress();
            tokio::pin!(progress);
            progress.as_mut().enable();
            // Again, now that no progress can be missed.
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

/// What was given to socketioxide and has not yet been written, told by counting the bytes that leave.
///
/// Counts at most what a message really takes on the wire, and whatever else leaves (pings) counts as
/// progress too: so it errs by a few bytes towards "written", and never waits for bytes that will not come.
#[derive(Debug, Default)]
struct QueuedBytes {
    /// Where the last message ends, on the scale of [`Closer::written`].
    total: u64,
    /// Where each message that is not yet written ends.
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

/// The bytes of a payload's one text frame: `42["m","…"]` and what WebSocket puts before it.
fn text_frame_bytes(base64: usize) -> u64 {
    let text = base64 + r#"42["m",""]"#.len();
    (text + websocket_header(text)) as u64
}

/// The bytes of a payload's two frames.
fn attachment_frames_bytes(payload: usize) -> u64 {
    let header = codec::BINARY_HEADER.len();
    (header + websocket_header(header) + payload + websocket_header(payload)) as u64
}

/// The bytes before an unmasked WebSocket payload.
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
