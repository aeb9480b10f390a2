//! What operators see and do: the built-in commands that every node and every master has, for links of the roles
//! operator (looks and steers) and observer (looks, but sees no arguments and no texts of errors).
//!
//! `bodies` is what the commands take and return, `serve` runs them, and `links` holds the links of operators. A node and
//! a master each say by [`Operated`](serve::Operated) what they have to show. With the feature `operator`, [`Operator`]
//! is the other side: a client.

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
pub use client::{Operator, OperatorBuilder, OperatorError, OperatorQueue};
pub(crate) use event_log::{EventLog, milliseconds};
pub(crate) use links::OperatorLinks;
pub(crate) use serve::{Operated, Unavailable};
