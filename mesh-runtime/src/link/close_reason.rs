//! Why a connection ended.

use std::{fmt, time::Duration};

use crate::wire::frame::CloseCode;

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
    /// Whether the other side is to blame: worth a warning.
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
