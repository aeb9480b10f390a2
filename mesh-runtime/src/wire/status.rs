//! How calls end, as numbers that never change their meaning.

/// The outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Status {
    /// The payload is the encoded answer.
    Ok,
    /// The payload is a text that describes the failure.
    Failed(FailureCode),
    /// A rule of the instance refused the call. The payload is a number, `u32`, and the text behind it.
    Refused,
}

/// The code of [`Status::Refused`].
const REFUSED: u8 = 11;
const SHARED_QUEUE_FULL: u8 = FailureCode::SharedQueueFull as u8;

/// Why a call that arrived got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum FailureCode {
    Denied = 1,
    Incompatible = 2,
    Overloaded = 3,
    DeadlineExceeded = 4,
    Cancelled = 5,
    HandlerPanicked = 6,
    Codec = 7,
    QueueFull = 8,
    QueueFailed = 9,
    ShuttingDown = 10,
    /// The queue is full that all instances share.
    SharedQueueFull = 12,
}

impl FailureCode {
    /// Those with the codes from 1 on.
    const FIRST: [Self; 10] = [
        Self::Denied,
        Self::Incompatible,
        Self::Overloaded,
        Self::DeadlineExceeded,
        Self::Cancelled,
        Self::HandlerPanicked,
        Self::Codec,
        Self::QueueFull,
        Self::QueueFailed,
        Self::ShuttingDown,
    ];
}

impl Status {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed(code) => code as u8,
            Self::Refused => REFUSED,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Ok),
            REFUSED => Some(Self::Refused),
            SHARED_QUEUE_FULL => Some(Self::Failed(FailureCode::SharedQueueFull)),
            // The codes of failures begin with 1, in the order of the table.
            code => {
                let failure = FailureCode::FIRST.get(usize::from(code) - 1);
                failure.copied().map(Self::Failed)
            }
        }
    }
}
