//! The client side: a small Socket.IO client over tokio-tungstenite.
//!
//! `docs/adr/0001-own-socketio-client.md` says why it is not an existing one. Two parties share an open connection:
//! the [`ClientSink`] writes, and one reader task reads, answers pings and watches for silence. Whatever ends the
//! connection, the reader closes the socket and notifies the [`Inbound`].

use std::{io, net::SocketAddr, ops::ControlFlow, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    net::TcpStream,
    sync::Mutex,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error as WsError, Message, protocol::WebSocketConfig},
};

use super::{
    CLOSE_GRACE, Closer, Inbound, Limits, MAX_MESSAGE_BYTES, MAX_TEXT_PAYLOAD_BYTES,
    READ_BUFFER_BYTES, Sink, TransportError,
    codec::{self, Packet},
    stream::GuardedStream,
};
use crate::{address, yielding::yield_to_ready_tasks};

type WebSocket = WebSocketStream<GuardedStream>;
/// The writing half, shared by the sink and the reader's pongs. `None` once the connection has ended.
type SharedWriter = Arc<Mutex<Option<SplitSink<WebSocket, Message>>>>;

/// Opens a connection to the Socket.IO server at `host` (a name or an address) and `port`.
///
/// Tries each address of the host. `inbound` is called when the server has accepted, before the first payload.
/// If this returns an error, or is dropped, nothing stays open and [`Inbound::on_close`] is never called.
pub(crate) async fn connect<I: Inbound>(
    host: &str,
    port: u16,
    limits: &Limits,
    inbound: impl FnOnce(&Closer) -> Arc<I>,
) -> Result<Sink, TransportError> {
    let (socket, silence, closer) = timeout(limits.connect, open(host, port, limits))
        .await
        .map_err(|_| TransportError::ConnectTimedOut(limits.connect))??;
    let inbound: Arc<dyn Inbound> = inbound(&closer);
    let (writer, reader) = socket.split();
    let writer: SharedWriter = Arc::new(Mutex::new(Some(writer)));
    let reader = ClientReader {
        frames: reader,
        writer: writer.clone(),
        silence: silence + limits.silence_slack,
        end: End {
            closer: closer.clone(),
            inbound,
        },
    };
    tokio::spawn(reader.run());
    Ok(Sink::client(ClientSink { writer, closer }, limits.write))
}

/// Does everything that comes before the first payload: name lookup, TCP, WebSocket, Engine.IO, Socket.IO.
async fn open(
    host: &str,
    port: u16,
    limits: &Limits,
) -> Result<(WebSocket, Duration, Closer), TransportError> {
    let tcp = dial(host, port, limits).await?;
    let closer = Closer::default();
    let stream = GuardedStream::new(tcp, closer.clone(), limits.write)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let authority = address::joined(host, port);
    let url = format!("ws://{authority}/socket.io/?EIO=4&transport=websocket");
    let (mut socket, _response) = client_async_with_config(url, stream, Some(config))
        .await
        .map_err(|error| not_socketio(&closer, error))?;

    let open = codec::parse_open(&next_text(&mut socket, &closer).await?)?;
    let joined = socket.send(Message::text(codec::CONNECT)).await;
    joined.map_err(|error| ended(&closer, error))?;
    loop {
        let text = next_text(&mut socket, &closer).await?;
        match codec::parse_packet(&text)? {
            Packet::Connected => return Ok((socket, open.silence, closer)),
            Packet::Refused(json) => {
                return Err(TransportError::Refused(codec::refusal_text(json)));
            }
            Packet::Ping => {
                let pong = socket.send(Message::text(codec::PONG)).await;
                pong.map_err(|error| ended(&closer, error))?;
            }
            Packet::Noop => {}
            Packet::Close | Packet::Disconnect => return Err(TransportError::Closed),
            Packet::Event(_) | Packet::BinaryEvent(_) => {
                return Err(TransportError::Malformed(
                    "an event before the connection was accepted",
                ));
            }
        }
    }
}

/// Connects to the first address of the host that answers. Each address gets an equal share of the time, so an address
/// that silently drops packets does not use up the time of the others.
async fn dial(host: &str, port: u16, limits: &Limits) -> Result<TcpStream, TransportError> {
    let unreachable = |source: io::Error| TransportError::Unreachable {
        host: host.to_owned(),
        port,
        source: Arc::new(source),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((bare.unwrap_or(host), port))
        .await
        .map_err(unreachable)?
        .collect();
    let share = limits.connect / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(unreachable(last))
}

/// Receives the next text message while the connection is not yet ready.
async fn next_text(socket: &mut WebSocket, closer: &Closer) -> Result<String, TransportError> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
            Some(Ok(Message::Binary(_))) => {
                return Err(TransportError::Malformed(
                    "an attachment before the connection was accepted",
                ));
            }
            Some(Ok(Message::Close(_))) | None => return Err(closer.reason_or_closed()),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(ended(closer, error)),
        }
    }
}

/// Maps an error of the WebSocket's opening handshake: the other side answers, but does not speak this protocol.
fn not_socketio(closer: &Closer, error: WsError) -> TransportError {
    match error {
        WsError::Io(_) => ended(closer, error),
        WsError::Http(response) => TransportError::NotSocketIo(format!(
            "it answered the WebSocket request with status {}",
            response.status()
        )),
        other => TransportError::NotSocketIo(other.to_string()),
    }
}

/// Maps an error of an open WebSocket. A reason that the stream recorded takes precedence, because it is closer to the
/// cause.
fn ended(closer: &Closer, error: WsError) -> TransportError {
    if let Some(reason) = closer.reason() {
        return reason;
    }
    match error {
        WsError::Io(error) => error.into(),
        WsError::ConnectionClosed | WsError::AlreadyClosed => TransportError::Closed,
        WsError::Capacity(
            tokio_tungstenite::tungstenite::error::CapacityError::MessageTooLong { size, .. },
        ) => TransportError::TooLarge { bytes: size },
        WsError::Utf8(_) => TransportError::Malformed("text that is not UTF-8"),
        _ => TransportError::Malformed("a broken WebSocket frame"),
    }
}

/// The writing side of a connection that this process opened.
#[derive(Debug)]
pub(super) struct ClientSink {
    writer: SharedWriter,
    closer: Closer,
}

impl ClientSink {
    pub(super) fn closer(&self) -> &Closer {
        &self.closer
    }

    /// Writes all `payloads` and flushes once.
    pub(super) async fn send_all(
        &mut self,
        payloads: impl IntoIterator<Item = Bytes>,
    ) -> Result<(), TransportError> {
        let mut writer = self.writer.lock().await;
        let Some(writer) = writer.as_mut() else {
            return Err(self.closer.reason_or_closed());
        };
        let failed = |error| ended(&self.closer, error);
        for payload in payloads {
            let payload = codec::within_limit(payload)?;
            if payload.len() <= MAX_TEXT_PAYLOAD_BYTES {
                let text = Message::text(codec::text_message(&payload));
                writer.feed(text).await.map_err(failed)?;
            } else {
                let header = Message::text(codec::BINARY_HEADER);
                writer.feed(header).await.map_err(failed)?;
                let attachment = Message::Binary(payload);
                writer.feed(attachment).await.map_err(failed)?;
            }
        }
        writer.flush().await.map_err(failed)
    }

    /// Performs the closing handshake, and cuts the connection if the peer does not close within [`CLOSE_GRACE`].
    pub(super) async fn close(&mut self) {
        if self.closer.is_cut() {
            return;
        }
        self.closer.note(TransportError::ClosedHere);
        let goodbye = async {
            if let Some(writer) = self.writer.lock().await.as_mut() {
                let _ = writer.feed(Message::text(codec::DISCONNECT)).await;
                let _ = writer.send(Message::Close(None)).await;
            }
            // The reader continues until the peer has closed too: if a socket with unread data is closed, the operating
            // system discards what the peer has not yet read.
            self.closer.gone().await;
        };
        let _ = timeout(CLOSE_GRACE, goodbye).await;
        self.closer.abort();
    }
}

/// Reports the close of a connection exactly once, even if the reader's task is dropped or panics.
struct End {
    closer: Closer,
    inbound: Arc<dyn Inbound>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.closer.cut(TransportError::ClosedHere);
        self.inbound.on_close(self.closer.reason_or_closed());
    }
}

/// The reading side of a connection: the task that closes the socket and reports the close.
struct ClientReader {
    frames: SplitStream<WebSocket>,
    writer: SharedWriter,
    silence: Duration,
    end: End,
}

impl ClientReader {
    async fn run(self) {
        let Self {
            mut frames,
            writer,
            silence,
            end,
        } = self;
        let reason = read(&mut frames, &writer, silence, &end).await;
        end.closer.cut(reason);
        // The cut makes a write that holds the lock fail at once. The socket closes when both halves are dropped.
        drop(writer.lock().await.take());
        drop(frames);
        drop(end);
    }
}

/// Delivers payloads until the connection ends. Returns the reason.
async fn read(
    frames: &mut SplitStream<WebSocket>,
    writer: &SharedWriter,
    silence: Duration,
    end: &End,
) -> TransportError {
    // A pong waits for the writer concurrently with reading, because a peer that reads slowly must not prevent this
    // side from reading.
    let mut pong: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
    let mut announced = false;
    let mut heard = Instant::now();
    let watchdog = tokio::time::sleep(silence);
    tokio::pin!(watchdog);
    loop {
        tokio::select! {
            frame = frames.next() => {
                heard = Instant::now();
                match on_frame(frame, &mut announced, end) {
                    // Tasks that this payload has woken run before the next payload is handled.
                    ControlFlow::Continue(PacketReply::Nothing) => yield_to_ready_tasks().await,
                    ControlFlow::Continue(PacketReply::Pong) => {
                        pong.get_or_insert_with(|| Box::pin(send_pong(writer.clone())));
                    }
                    ControlFlow::Break(reason) => return reason,
                }
            }
            () = async { pong.as_mut().expect("guarded by the condition").await }, if pong.is_some() => {
                pong = None;
            }
            () = &mut watchdog => {
                let deadline = heard + silence;
                if deadline <= Instant::now() {
                    return TransportError::Silent;
                }
                watchdog.as_mut().reset(deadline);
            }
        }
    }
}

/// The reply that a message from the server asks for.
enum PacketReply {
    Nothing,
    Pong,
}

/// Handles one frame. `announced` is set if a header has arrived and its attachment must be next.
fn on_frame(
    frame: Option<Result<Message, WsError>>,
    announced: &mut bool,
    end: &End,
) -> ControlFlow<TransportError, PacketReply> {
    let payload = match frame {
        Some(Ok(Message::Text(text))) => match codec::parse_packet(&text) {
            Ok(Packet::Event(_) | Packet::BinaryEvent(_)) if *announced => Err(
                TransportError::Malformed("an event where an attachment was announced"),
            ),
            Ok(Packet::Event(json)) => codec::payload(json, None),
            Ok(Packet::BinaryEvent(json)) => match codec::expect_placeholder(json) {
                Ok(()) => {
                    *announced = true;
                    return ControlFlow::Continue(PacketReply::Nothing);
                }
                Err(error) => Err(error),
            },
            Ok(Packet::Ping) => return ControlFlow::Continue(PacketReply::Pong),
            Ok(Packet::Noop) => return ControlFlow::Continue(PacketReply::Nothing),
            Ok(Packet::Close | Packet::Disconnect) => Err(TransportError::Closed),
            Ok(Packet::Connected | Packet::Refused(_)) => Err(TransportError::Malformed(
                "an answer to a connection that is already open",
            )),
            Err(error) => Err(error),
        },
        Some(Ok(Message::Binary(attachment))) => {
            if std::mem::take(announced) {
                codec::within_limit(attachment)
            } else {
                Err(TransportError::Malformed(
                    "an attachment that nothing announced",
                ))
            }
        }
        Some(Ok(Message::Close(_))) | None => Err(end.closer.reason_or_closed()),
        Some(Ok(_)) => return ControlFlow::Continue(PacketReply::Nothing),
        Some(Err(error)) => Err(ended(&end.closer, error)),
    };
    match payload {
        Ok(payload) if !end.closer.is_cut() => match end.inbound.on_payload(payload) {
            ControlFlow::Continue(()) => ControlFlow::Continue(PacketReply::Nothing),
            ControlFlow::Break(()) => ControlFlow::Break(TransportError::ClosedHere),
        },
        Ok(_) => ControlFlow::Break(end.closer.reason_or_closed()),
        Err(reason) => ControlFlow::Break(reason),
    }
}

/// Answers a ping. Errors are ignored, because the reader notices them as well.
async fn send_pong(writer: SharedWriter) {
    if let Some(writer) = writer.lock().await.as_mut() {
        let _ = writer.send(Message::text(codec::PONG)).await;
    }
}
