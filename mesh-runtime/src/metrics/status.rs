//! How a call or job ended, for counters and spans: few and fixed names.

use std::any::type_name;

use crate::{error::CallError, wire::status::FailureCode};

/// How an encoded `Err` begins.
const ERR: u8 = 1;

/// How a call or job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndStatus {
    Ok,
    /// The handler returned an error of its own type.
    Error,
    NoPeer,
    TooFewPeers,
    Overloaded,
    Denied,
    Incompatible,
    LinkLost,
    DeadlineExceeded,
    /// It was dropped before its end.
    Cancelled,
    Codec,
    HandlerPanicked,
    Refused,
    QueueFull,
    Queue,
    ShuttingDown,
    /// The handler of a job returned an error.
    Failed,
}

impl EndStatus {
    pub(super) const COUNT: usize = Self::ALL.len();

    pub(crate) const ALL: [Self; 17] = [
        Self::Ok,
        Self::Error,
        Self::NoPeer,
        Self::TooFewPeers,
        Self::Overloaded,
        Self::Denied,
        Self::Incompatible,
        Self::LinkLost,
        Self::DeadlineExceeded,
        Self::Cancelled,
        Self::Codec,
        Self::HandlerPanicked,
        Self::Refused,
        Self::QueueFull,
        Self::Queue,
        Self::ShuttingDown,
        Self::Failed,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::NoPeer => "no_peer",
            Self::TooFewPeers => "too_few_peers",
            Self::Overloaded => "overloaded",
            Self::Denied => "denied",
            Self::Incompatible => "incompatible",
            Self::LinkLost => "link_lost",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Cancelled => "cancelled",
            Self::Codec => "codec",
            Self::HandlerPanicked => "handler_panicked",
            Self::Refused => "refused",
            Self::QueueFull => "queue_full",
            Self::Queue => "queue",
            Self::ShuttingDown => "shutting_down",
            Self::Failed => "failed",
        }
    }
}

impl EndStatus {
    /// How a call has ended that has this answer, which is an encoded `T`.
    #[inline]
    pub(crate) fn of_answer<T>(answer: &[u8]) -> Self {
        // The compiler's name is a constant, so this costs one comparison. It is the only way to tell a `Result` by any
        // alias of it, without a bound on the types of all commands.
        let is_result = type_name::<T>().starts_with("core::result::Result<");
        if is_result && answer.first() == Some(&ERR) {
            Self::Error
        } else {
            Self::Ok
        }
    }
}

impl From<&CallError> for EndStatus {
    fn from(error: &CallError) -> Self {
        match error {
            CallError::NoPeer { .. } => Self::NoPeer,
            CallError::TooFewPeers { .. } => Self::TooFewPeers,
            CallError::Overloaded { .. } => Self::Overloaded,
            CallError::Denied { .. } => Self::Denied,
            CallError::Incompatible { .. } => Self::Incompatible,
            CallError::LinkLost { .. } => Self::LinkLost,
            CallError::DeadlineExceeded { .. } => Self::DeadlineExceeded,
            CallError::Cancelled { .. } => Self::Cancelled,
            CallError::Codec { .. } => Self::Codec,
            CallError::HandlerPanicked { .. } => Self::HandlerPanicked,
            CallError::Refused { .. } => Self::Refused,
            CallError::QueueFull { .. } => Self::QueueFull,
            CallError::Queue { .. } => Self::Queue,
            CallError::ShuttingDown { .. } => Self::ShuttingDown,
        }
    }
}

impl From<FailureCode> for EndStatus {
    fn from(code: FailureCode) -> Self {
        match code {
            FailureCode::Denied => Self::Denied,
            FailureCode::Incompatible => Self::Incompatible,
            FailureCode::Overloaded => Self::Overloaded,
            FailureCode::DeadlineExceeded => Self::DeadlineExceeded,
            FailureCode::Cancelled => Self::Cancelled,
            FailureCode::HandlerPanicked => Self::HandlerPanicked,
            FailureCode::Codec => Self::Codec,
            FailureCode::QueueFull | FailureCode::SharedQueueFull => Self::QueueFull,
            FailureCode::QueueFailed => Self::Queue,
            FailureCode::ShuttingDown => Self::ShuttingDown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::wire::codec::{self, MAX_PAYLOAD};

    fn of<T: serde::Serialize>(answer: T) -> EndStatus {
        EndStatus::of_answer::<T>(&codec::encode(&answer, MAX_PAYLOAD).unwrap())
    }

    #[test]
    fn an_answer_is_an_error_if_it_is_an_err() {
        type Aliased = Result<u8, String>;
        assert_eq!(of::<Aliased>(Ok(1)), EndStatus::Ok);
        assert_eq!(of::<Aliased>(Err("no".into())), EndStatus::Error);
        assert_eq!(of::<Result<(), ()>>(Err(())), EndStatus::Error);
        // These begin with the same byte.
        assert_eq!(of(1_u8), EndStatus::Ok);
        assert_eq!(of(Some(1_u8)), EndStatus::Ok);
        let result_of_io = EndStatus::of_answer::<io::Result<()>>(&[]);
        assert_eq!(result_of_io, EndStatus::Ok);
    }

    #[test]
    fn statuses_are_counted_in_the_order_of_all() {
        for (index, status) in EndStatus::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, index);
        }
    }
}
