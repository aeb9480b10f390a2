//! The messages in an envelope, and their encoding.
//!
//! A frame is `kind: u8, length: u32, body`, all numbers little-endian. Decoding is strict: anything that this code
//! would not send is an error. Payloads are slices of the envelope, not copies. A payload keeps the whole envelope, up
//! to 256 KiB, in memory, so one that is kept for long should be copied. This module must not know what a payload
//! means, nor which calls are in flight.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{codec::MAX_PAYLOAD, extensions, frame_error::FrameError, status::Status};
use crate::close::CloseCode;

/// The longest payload in one frame, in bytes. Longer payloads are split into chunks, so that the frames of small calls
/// can be sent in between.
pub(crate) const MAX_CHUNK: usize = 64 * 1024;
/// The longest text in a frame, in bytes.
pub(crate) const MAX_TEXT: usize = 1024;
/// The longest time that a caller waits, in milliseconds: 24 h. A caller that does not say waits as long.
pub(crate) const MAX_DEADLINE_MS: u32 = 24 * 60 * 60 * 1000;
/// Length of the header in front of a frame's body, in bytes.
const HEADER: usize = 5;

/// One message between the two ends of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Asks for an answer.
    Call {
        call: u64,
        command: u32,
        /// The time left until the deadline, in milliseconds. 0 means no deadline.
        deadline_ms: u32,
        part: FirstPart,
    },
    /// Answers a call.
    Reply {
        call: u64,
        status: Status,
        /// The answer, or the text of the failure: see [`failure_text`].
        part: FirstPart,
    },
    /// Delivers a one-way message, which is not answered.
    Tell {
        tell: u64,
        command: u32,
        part: FirstPart,
    },
    /// Continues a call, reply or tell whose last frame said that more follows.
    Chunk {
        stream: PayloadKind,
        id: u64,
        more: bool,
        payload: Bytes,
    },
    /// Cancels a call.
    Cancel { call: u64 },
    /// Returns credit to the other side.
    Credit { calls: u32, bytes: u64 },
    /// Asks for a [`Frame::Pong`].
    Ping { token: u64 },
    /// Answers a [`Frame::Ping`].
    Pong { token: u64 },
    /// The last frame of a side that closes the link.
    Goodbye { reason: CloseCode, text: String },
    /// The first frame of each side. It grants the other side its initial credit.
    Confirm { calls: u32, bytes: u64 },
    /// A message between node and master.
    Control { payload: Bytes },
    /// The sender takes no new calls; those in flight go on.
    Draining,
}

/// The payload of a call or tell, of at most [`MAX_PAYLOAD`].
#[derive(Debug, Clone)]
pub(crate) struct CallPayload {
    pub(crate) bytes: Bytes,
    /// Whether it begins with an extension block.
    pub(crate) extended: bool,
}

impl From<Bytes> for CallPayload {
    /// Without an extension block.
    fn from(bytes: Bytes) -> Self {
        Self {
            bytes,
            extended: false,
        }
    }
}

/// The first, and often the only, part of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FirstPart {
    /// The length of the whole payload.
    pub(crate) total: u32,
    /// Whether chunks with the rest follow.
    pub(crate) more: bool,
    /// Whether the payload begins with an extension block: see [`extensions::split`].
    pub(crate) extended: bool,
    pub(crate) payload: Bytes,
}

impl FirstPart {
    /// A whole payload of at most [`MAX_PAYLOAD`]. The outbox splits it if it is too long for one frame.
    pub(crate) fn whole(payload: Bytes) -> Self {
        debug_assert!(payload.len() <= MAX_PAYLOAD, "the codec limits payloads");
        Self {
            total: payload.len() as u32,
            more: false,
            extended: false,
            payload,
        }
    }

    /// The whole payload of a call or tell.
    pub(crate) fn of_call(payload: CallPayload) -> Self {
        Self {
            extended: payload.extended,
            ..Self::whole(payload.bytes)
        }
    }

    /// Keeps the first `first` bytes for the first frame, and returns the rest for chunks. `first` is at most
    /// [`MAX_CHUNK`].
    pub(crate) fn split_off_rest(&mut self, first: usize) -> Bytes {
        let rest = self.payload.split_off(self.payload.len().min(first));
        self.more = !rest.is_empty();
        rest
    }

    fn encoded_len(&self) -> usize {
        4 + 1 + self.payload.len()
    }

    fn encode_into(&self, out: &mut BytesMut) {
        out.put_u32_le(self.total);
        let more = if self.more { flag::MORE } else { 0 };
        let extended = if self.extended { flag::EXTENDED } else { 0 };
        out.put_u8(more | extended);
        out.put_slice(&self.payload);
    }
}

/// The bits of the flags of a payload.
mod flag {
    /// Parts follow.
    pub(super) const MORE: u8 = 1;
    /// The payload begins with an extension block.
    pub(super) const EXTENDED: u8 = 2;
}

/// The kind of message that a [`Frame::Chunk`] continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum PayloadKind {
    Call = 1,
    Reply = 2,
    Tell = 3,
}

mod kind {
    pub(super) const CALL: u8 = 1;
    pub(super) const REPLY: u8 = 2;
    pub(super) const TELL: u8 = 3;
    pub(super) const CHUNK: u8 = 4;
    pub(super) const CANCEL: u8 = 5;
    pub(super) const CREDIT: u8 = 6;
    pub(super) const PING: u8 = 7;
    pub(super) const PONG: u8 = 8;
    pub(super) const GOODBYE: u8 = 9;
    pub(super) const CONFIRM: u8 = 10;
    pub(super) const CONTROL: u8 = 11;
    pub(super) const DRAINING: u8 = 12;
}

impl Frame {
    /// A goodbye. The text is cut to [`MAX_TEXT`].
    pub(crate) fn goodbye(reason: CloseCode, text: &str) -> Self {
        Self::Goodbye {
            reason,
            text: cut(text).to_owned(),
        }
    }

    /// The payload of a call, reply or tell, with the kind and number that identify its chunks.
    pub(crate) fn part_mut(&mut self) -> Option<(PayloadKind, u64, &mut FirstPart)> {
        match self {
            Self::Call { call, part, .. } => Some((PayloadKind::Call, *call, part)),
            Self::Reply { call, part, .. } => Some((PayloadKind::Reply, *call, part)),
            Self::Tell { tell, part, .. } => Some((PayloadKind::Tell, *tell, part)),
            _ => None,
        }
    }

    /// The kind's name, for errors.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Call { .. } => "Call",
            Self::Reply { .. } => "Reply",
            Self::Tell { .. } => "Tell",
            Self::Chunk { .. } => "Chunk",
            Self::Cancel { .. } => "Cancel",
            Self::Credit { .. } => "Credit",
            Self::Ping { .. } => "Ping",
            Self::Pong { .. } => "Pong",
            Self::Goodbye { .. } => "Goodbye",
            Self::Confirm { .. } => "Confirm",
            Self::Control { .. } => "Control",
            Self::Draining => "Draining",
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Call { .. } => kind::CALL,
            Self::Reply { .. } => kind::REPLY,
            Self::Tell { .. } => kind::TELL,
            Self::Chunk { .. } => kind::CHUNK,
            Self::Cancel { .. } => kind::CANCEL,
            Self::Credit { .. } => kind::CREDIT,
            Self::Ping { .. } => kind::PING,
            Self::Pong { .. } => kind::PONG,
            Self::Goodbye { .. } => kind::GOODBYE,
            Self::Confirm { .. } => kind::CONFIRM,
            Self::Control { .. } => kind::CONTROL,
            Self::Draining => kind::DRAINING,
        }
    }

    fn body_len(&self) -> usize {
        match self {
            Self::Call { part, .. } => 8 + 4 + 4 + part.encoded_len(),
            Self::Reply { part, .. } => 8 + 1 + part.encoded_len(),
            Self::Tell { part, .. } => 8 + 4 + part.encoded_len(),
            Self::Chunk { payload, .. } => 1 + 8 + 1 + payload.len(),
            Self::Cancel { .. } | Self::Ping { .. } | Self::Pong { .. } => 8,
            Self::Credit { .. } | Self::Confirm { .. } => 4 + 8,
            Self::Goodbye { text, .. } => 1 + text.len(),
            Self::Control { payload } => payload.len(),
            Self::Draining => 0,
        }
    }

    /// The number of bytes that [`Frame::encode_into`] writes.
    pub(crate) fn encoded_len(&self) -> usize {
        HEADER + self.body_len()
    }

    /// Appends the frame to `out`. The other side refuses frames over the limits, so long payloads must be split first.
    pub(crate) fn encode_into(&self, out: &mut BytesMut) {
        out.reserve(self.encoded_len());
        out.put_u8(self.kind());
        out.put_u32_le(self.body_len() as u32);
        match self {
            Self::Call {
                call,
                command,
                deadline_ms,
                part,
            } => {
                out.put_u64_le(*call);
                out.put_u32_le(*command);
                out.put_u32_le(*deadline_ms);
                part.encode_into(out);
            }
            Self::Reply { call, status, part } => {
                out.put_u64_le(*call);
                out.put_u8(status.code());
                part.encode_into(out);
            }
            Self::Tell {
                tell,
                command,
                part,
            } => {
                out.put_u64_le(*tell);
                out.put_u32_le(*command);
                part.encode_into(out);
            }
            Self::Chunk {
                stream,
                id,
                more,
                payload,
            } => {
                out.put_u8(*stream as u8);
                out.put_u64_le(*id);
                out.put_u8((*more).into());
                out.put_slice(payload);
            }
            Self::Cancel { call: number }
            | Self::Ping { token: number }
            | Self::Pong { token: number } => out.put_u64_le(*number),
            Self::Credit { calls, bytes } | Self::Confirm { calls, bytes } => {
                out.put_u32_le(*calls);
                out.put_u64_le(*bytes);
            }
            Self::Goodbye { reason, text } => {
                out.put_u8(reason.code());
                out.put_slice(text.as_bytes());
            }
            Self::Control { payload } => out.put_slice(payload),
            Self::Draining => {}
        }
    }

    fn decode(kind: u8, body: Bytes) -> Result<Self, FrameError> {
        let mut body = Body(body);
        let frame = match kind {
            kind::CALL => Self::Call {
                call: body.u64()?,
                command: body.u32()?,
                deadline_ms: body.u32()?,
                part: body.extensible_part()?,
            },
            kind::REPLY => {
                let call = body.u64()?;
                let code = body.u8()?;
                let status = Status::from_code(code).ok_or(FrameError::UnknownStatus(code))?;
                let part = body.first_part()?;
                match status {
                    Status::Ok => {}
                    Status::Refused => {
                        let text = part.payload.get(4..).ok_or(FrameError::Truncated)?;
                        check_text(text)?;
                    }
                    Status::Failed(_) => {
                        check_text(&part.payload)?;
                    }
                }
                Self::Reply { call, status, part }
            }
            kind::TELL => Self::Tell {
                tell: body.u64()?,
                command: body.u32()?,
                part: body.extensible_part()?,
            },
            kind::CHUNK => Self::Chunk {
                stream: match body.u8()? {
                    1 => PayloadKind::Call,
                    2 => PayloadKind::Reply,
                    3 => PayloadKind::Tell,
                    other => return Err(FrameError::UnknownStream(other)),
                },
                id: body.u64()?,
                more: body.flags(flag::MORE)? != 0,
                payload: match body.payload()? {
                    empty if empty.is_empty() => return Err(FrameError::EmptyChunk),
                    payload => payload,
                },
            },
            kind::CANCEL => Self::Cancel { call: body.u64()? },
            kind::CREDIT => Self::Credit {
                calls: body.u32()?,
                bytes: body.u64()?,
            },
            kind::PING => Self::Ping { token: body.u64()? },
            kind::PONG => Self::Pong { token: body.u64()? },
            kind::GOODBYE => Self::Goodbye {
                reason: CloseCode::from_code(body.u8()?),
                text: check_text(&body.rest())?.to_owned(),
            },
            kind::CONFIRM => Self::Confirm {
                calls: body.u32()?,
                bytes: body.u64()?,
            },
            kind::CONTROL => Self::Control {
                payload: body.payload()?,
            },
            kind::DRAINING => Self::Draining,
            other => return Err(FrameError::UnknownKind(other)),
        };
        match body.0.len() {
            0 => Ok(frame),
            left => Err(FrameError::Trailing { kind, left }),
        }
    }
}

/// The payload of a failed reply: a text that says why there is no answer, cut to [`MAX_TEXT`].
pub(crate) fn failure_text(text: &str) -> Bytes {
    Bytes::copy_from_slice(cut(text).as_bytes())
}

/// The longest prefix of `text` that a frame may carry.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

fn check_text(bytes: &[u8]) -> Result<&str, FrameError> {
    if bytes.len() > MAX_TEXT {
        return Err(FrameError::LongText(bytes.len()));
    }
    std::str::from_utf8(bytes).map_err(|_| FrameError::NotUtf8)
}

/// The rest of a frame's body while it is decoded.
struct Body(Bytes);

impl Body {
    fn u8(&mut self) -> Result<u8, FrameError> {
        self.0.try_get_u8().map_err(|_| FrameError::Truncated)
    }

    fn u32(&mut self) -> Result<u32, FrameError> {
        self.0.try_get_u32_le().map_err(|_| FrameError::Truncated)
    }

    fn u64(&mut self) -> Result<u64, FrameError> {
        self.0.try_get_u64_le().map_err(|_| FrameError::Truncated)
    }

    /// The flags, of which only these may be set.
    #[inline]
    fn flags(&mut self, known: u8) -> Result<u8, FrameError> {
        match self.u8()? {
            flags if flags & !known == 0 => Ok(flags),
            other => Err(FrameError::BadFlags(other)),
        }
    }

    fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    fn payload(&mut self) -> Result<Bytes, FrameError> {
        match self.0.len() {
            len if len > MAX_CHUNK => Err(FrameError::LongChunk(len)),
            _ => Ok(self.rest()),
        }
    }

    /// The first part of a payload that may begin with an extension block. The block must be whole in it.
    #[inline]
    fn extensible_part(&mut self) -> Result<FirstPart, FrameError> {
        let part = self.part(flag::MORE | flag::EXTENDED)?;
        if part.extended {
            extensions::check_front(&part.payload)?;
        }
        Ok(part)
    }

    fn first_part(&mut self) -> Result<FirstPart, FrameError> {
        self.part(flag::MORE)
    }

    #[inline]
    fn part(&mut self, known: u8) -> Result<FirstPart, FrameError> {
        let total = self.u32()?;
        let flags = self.flags(known)?;
        let part = FirstPart {
            total,
            more: flags & flag::MORE != 0,
            extended: flags & flag::EXTENDED != 0,
            payload: self.payload()?,
        };
        let (total, len) = (part.total as usize, part.payload.len());
        if total > MAX_PAYLOAD {
            return Err(FrameError::LongPayload(total));
        }
        // A part with `more` set must not be empty, or a peer could send parts without end.
        let fits = if part.more {
            0 < len && len < total
        } else {
            len == total
        };
        if fits {
            Ok(part)
        } else {
            Err(FrameError::WrongTotal { total, len })
        }
    }
}

/// The frames of an opened envelope. After an error there are no more.
#[derive(Debug)]
pub(crate) struct Frames {
    rest: Bytes,
}

impl Frames {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    /// Whether no frame is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn decode_next(&mut self) -> Result<Frame, FrameError> {
        let kind = self.rest.try_get_u8().map_err(|_| FrameError::Truncated)?;
        let len = self
            .rest
            .try_get_u32_le()
            .map_err(|_| FrameError::Truncated)?;
        let len = usize::try_from(len).map_err(|_| FrameError::Truncated)?;
        if len > self.rest.len() {
            return Err(FrameError::Truncated);
        }
        Frame::decode(kind, self.rest.split_to(len))
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let frame = self.decode_next();
        if frame.is_err() {
            self.rest.clear();
        }
        Some(frame)
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
pub(crate) mod tests;
