//! Why a connection ends: the code that is sent over the wire, and the reason that each side reports. Knows nothing of
//! frames.

use std::{fmt, time::Duration};

/// Why a side closes a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CloseCode {
    /// It is shutting down. Calls in flight had the grace period to finish.
    #[error("it is shutting down")]
    ShuttingDown,
    /// A node with the same id and a higher boot epoch has replaced the node at the other end.
    #[error("a newer node with the same instance id has taken the place")]
    Replaced,
    /// There is another link between the two nodes, and that one stays open.
    #[error("another link between the two stays")]
    Duplicate,
    /// The other side broke the protocol.
    #[error("the protocol was broken")]
    Violation,
    /// The other side was silent for too long.
    #[error("nothing was heard for too long")]
    Silent,
    /// It has no room for another link.
    #[error("it has no room for another link")]
    Full,
    /// A reason that this version does not know. The link closes all the same.
    #[error("reason {0}")]
    Other(u8),
}

impl CloseCode {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::ShuttingDown => 1,
            Self::Replaced => 2,
            Self::Duplicate => 3,
            Self::Violation => 4,
            Self::Silent => 5,
            Self::Full => 6,
            Self::Other(code) => code,
        }
    }

    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            1 => Self::ShuttingDown,
            2 => Self::Replaced,
            3 => Self::Duplicate,
            4 => Self::Violation,
            5 => Self::Silent,
            6 => Self::Full,
            other => Self::Other(other),
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The other side closed it, and said why.
    Goodbye(CloseCode),
    /// This side closed it.
    Local(CloseCode),
    /// The other side broke the protocol; the text says how.
    Violation(String),
    /// Nothing was heard for that long.
    Silent(Duration),
    /// The connection failed; the text says how.
    Lost(String),
}

impl CloseReason {
    /// Whether the other side is at fault. Then a warning is logged.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(self, Self::Violation(_) | Self::Silent(_))
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goodbye(reason) => write!(f, "the other side said goodbye: {reason}"),
            Self::Local(reason) => write!(f, "closed here: {reason}"),
            Self::Violation(what) => write!(f, "the other side broke the protocol: {what}"),
            Self::Silent(after) => write!(f, "nothing was heard for {after:?}"),
            Self::Lost(how) => write!(f, "the connection failed: {how}"),
        }
    }
}
