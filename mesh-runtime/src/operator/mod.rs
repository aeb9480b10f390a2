//! What operators see and do: the built-in commands that every node and every master has, for links of the roles
//! operator (looks and steers) and observer (looks, but sees no arguments and no texts of errors).
//!
//! The types here are what the commands return. With the feature `operator` there is a client, too: `OperatorBuilder`
//! connects to a master or a node, and `Operator` has a method for each command. `docs/protocol.md`, section 13, is what
//! programs in other languages need.

// `bodies` is what the commands take and return, `serve` runs them, and `links` holds the links of operators. A node and
// a master each say by `Operated` what they have to show. `client` is the other side.

mod bodies;
#[cfg(feature = "operator")]
mod client;
mod commands;
mod event_log;
mod jobs;
mod links;
mod serve;

pub use bodies::{
    Description, EventKind, EventList, EventRecord, Health, HealthStatus, JobView, Jobs, JobsIn,
    LinkState, Links, Member, QueueCounts, Stats,
};
#[cfg(feature = "operator")]
pub use client::{
    EngineQueues, Operator, OperatorBuilder, OperatorCall, OperatorError, OperatorQueue,
};
pub(crate) use event_log::EventLog;
pub(crate) use links::OperatorLinks;
pub(crate) use serve::{Operated, Unavailable};
