//! WebSocket and Socket.IO traffic: parses a recorded connection, and speaks to a port by hand. Written against the
//! standards, not against the runtime: it must see what any observer on the path sees.

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

/// A message of one direction, unmasked and joined.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    Text(String),
    Binary(Vec<u8>),
    /// Ping, pong or close.
    Control,
}

/// The messages in the bytes of one direction, which begin with an HTTP head. A truncated message at the end is
/// omitted.
pub(crate) fn messages(bytes: &[u8]) -> Vec<Passed> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let mut rest = &bytes[head.map_or(bytes.len(), |at| at + 4)..];
    let mut messages = Vec::new();
    let mut joined: Option<(u8, Vec<u8>)> = None;
    while let Some((frame, after)) = frame(rest) {
        rest = after;
        let Frame {
            last,
            opcode,
            payload,
        } = frame;
        if opcode >= 8 {
            messages.push(Passed::Control);
            continue;
        }
        // Opcode 0 continues the previous message.
        let (kind, whole) = joined.get_or_insert((opcode, Vec::new()));
        whole.extend_from_slice(&payload);
        let kind = *kind;
        if last && let Some((_, whole)) = joined.take() {
            messages.push(match kind {
                1 => Passed::Text(String::from_utf8_lossy(&whole).into_owned()),
                _ => Passed::Binary(whole),
            });
        }
    }
    messages
}

struct Frame {
    last: bool,
    opcode: u8,
    payload: Vec<u8>,
}

fn frame(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match second & 0x7f {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (u64::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (u64::from_be_bytes(*length), rest)
        }
        short => (u64::from(short), rest),
    };
    let (mask, rest) = if second & 0x80 == 0 {
        ([0; 4], rest)
    } else {
        let (mask, rest) = rest.split_first_chunk::<4>()?;
        (*mask, rest)
    };
    let (masked, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let payload = masked.iter().zip(mask.iter().cycle());
    let frame = Frame {
        last: first & 0x80 != 0,
        opcode: first & 0x0f,
        payload: payload.map(|(byte, mask)| byte ^ mask).collect(),
    };
    Some((frame, rest))
}

/// The payloads of the event `m` in one direction: attachments, and decoded text.
pub(crate) fn payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    let payload = |message| match message {
        Passed::Binary(attachment) => Some(attachment),
        Passed::Text(text) => {
            let base64 = text.strip_prefix(r#"42["m",""#)?.strip_suffix(r#""]"#)?;
            STANDARD.decode(base64).ok()
        }
        Passed::Control => None,
    };
    messages(bytes).into_iter().filter_map(payload).collect()
}

/// Whether `needle` is visible in one direction: in the bytes, in the messages, in their decoded base64, or in the
/// concatenation of everything.
pub(crate) fn shows(bytes: &[u8], needle: &[u8]) -> bool {
    let is_in = |hay: &[u8]| hay.windows(needle.len()).any(|window| window == needle);
    let messages = messages(bytes);
    let plain = messages.iter().any(|message| match message {
        Passed::Text(text) => is_in(text.as_bytes()),
        Passed::Binary(attachment) => is_in(attachment),
        Passed::Control => false,
    });
    is_in(bytes) || plain || is_in(&payloads(bytes).concat())
}

/// A Socket.IO connection made by hand, which sends whatever the test says.
pub(crate) struct ByHand(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl ByHand {
    /// Connects and joins the namespace `/`.
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let url = format!("ws://{addr}/socket.io/?EIO=4&transport=websocket");
        let (stream, _) = tokio_tungstenite::connect_async(url)
            .await
            .expect("a WebSocket server");
        let mut this = Self(stream);
        this.send(Message::text("40")).await;
        this
    }

    /// Sends one WebSocket message; if the connection is already closed, that is not an error.
    pub(crate) async fn send(&mut self, message: Message) {
        let _ = self.0.send(message).await;
    }

    /// Waits until the other side closes.
    pub(crate) async fn closed(&mut self) {
        while let Some(Ok(message)) = self.0.next().await {
            if message == Message::text("2") {
                self.send(Message::text("3")).await;
            }
        }
    }
}
