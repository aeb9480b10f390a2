//! What can be wrong with a frame.

use super::{
    codec::MAX_PAYLOAD,
    extensions::BadBlock,
    frame::{MAX_CHUNK, MAX_TEXT},
};

/// What is wrong with a frame. The link must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FrameError {
    #[error("a frame ends before it is whole")]
    Truncated,
    #[error("there is no frame of kind {0}")]
    UnknownKind(u8),
    #[error("{left} bytes are left over in a frame of kind {kind}")]
    Trailing { kind: u8, left: usize },
    #[error("there are no flags {0:#04x}")]
    BadFlags(u8),
    #[error("there is no status {0}")]
    UnknownStatus(u8),
    #[error("there is no stream {0} to go on with")]
    UnknownStream(u8),
    #[error("a chunk is empty")]
    EmptyChunk,
    #[error("{0} bytes of payload are more than a frame may carry ({MAX_CHUNK})")]
    LongChunk(usize),
    #[error("a payload of {0} bytes is longer than {MAX_PAYLOAD}")]
    LongPayload(usize),
    #[error("a first part of {len} bytes does not fit a payload of {total}")]
    WrongTotal { total: usize, len: usize },
    #[error(transparent)]
    Extensions(#[from] BadBlock),
    #[error("a text of {0} bytes is longer than {MAX_TEXT}")]
    LongText(usize),
    #[error("a text is not UTF-8")]
    NotUtf8,
}
