//! What can go wrong for an operator.

use std::time::Duration;

use crate::{close::CloseReason, error::Refusal, id::NodeId, json::JsonError, keys::KeysError};

/// Why an operator got no connection or no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The keys cannot be used.
    #[error("the keys cannot be used")]
    Keys(#[source] KeysError),
    /// Nobody could be reached at the address.
    #[error("{addr} could not be reached: {why}")]
    Unreachable {
        /// The address.
        addr: String,
        /// What went wrong.
        why: String,
    },
    /// The other side refused the connection.
    #[error("{addr} refused: {refusal}")]
    Refused {
        /// The address.
        addr: String,
        /// Why.
        refusal: Refusal,
    },
    /// The connection closed. What the call changes may have been changed.
    #[error("the connection was lost: {reason}")]
    Lost {
        /// Why.
        reason: CloseReason,
    },
    /// No answer in time. What the call changes may have been changed.
    #[error("no answer of `{command}` within {after:?}")]
    DeadlineExceeded {
        /// The command.
        command: String,
        /// How long the call has waited.
        after: Duration,
    },
    /// Observers may not call this command.
    #[error("`{command}` may not be called by an observer")]
    Denied {
        /// The command.
        command: String,
    },
    /// The other side says that the command failed.
    #[error("`{command}` failed: {why}")]
    Failed {
        /// The command.
        command: String,
        /// Why.
        why: String,
    },
    /// The node does not have the command, or declares it otherwise than the description that the call goes by: describe
    /// that node.
    #[error("{node} declares `{command}` otherwise than the description, or not at all")]
    DeclaredOtherwise {
        /// The command.
        command: String,
        /// The node.
        node: NodeId,
    },
    /// The arguments or the answer cannot be converted from or to JSON.
    #[error("`{command}`")]
    Json {
        /// The command.
        command: String,
        /// Why.
        source: JsonError,
    },
    /// The answer cannot be read.
    #[error("the answer of `{command}` cannot be read: {why}")]
    Answer {
        /// The command.
        command: String,
        /// Why.
        why: String,
    },
}
