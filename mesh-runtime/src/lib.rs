//! A typed service mesh from one macro: [`mesh_schema!`] turns a declaration of node types and their commands into
//! client stubs and handler traits; this crate runs them, over sealed Socket.IO links between the nodes.
//!
//! Start with the README's tour, or with the guide in `docs/guide`. The main items, in the order in which
//! you meet them:
//!
//! - [`mesh_schema!`]: the grammar, every option, and what is generated.
//! - [`Keys`]: the two texts that all nodes of a mesh share.
//! - [`MasterBuilder`] and [`Master`]: registration and discovery.
//! - [`NodeBuilder`] and [`Node`]: a running node; its links, events and shutdown.
//! - [`BalancedCall`], [`GatherCall`], [`BroadcastCall`], [`QueuedCall`], [`QueuedGatherCall`]: calls, before they are
//!   awaited; [`Gather`], [`Sent`], [`Queued`]: their results; [`CallError`]: why they failed.
//! - [`Context`]: what a handler knows about its call, and how it makes further calls.
//! - [`hook`]: code of your own in the path of every call, for checks, audit and headers.
//! - [`queue`]: job queues and their engines, the jobs in them, and dead letters.
//! - [`schema`]: a schema as data, as a diagram, as JSON, and values as JSON by its types.
//! - [`operator`]: what operators see and do. With the feature `operator`, a client for it.
//! - `testing`: a whole mesh in one process, a peer that breaks the protocol, and the tests that every engine of job
//!   queues passes (feature `testing`).
//!
//! Inside, imports point one way: `id`, `error` ← `wire` (bytes, no I/O) ← `socketio` (the transport) ← `link` (one
//! sealed connection and its flow-control state) ← `call`, `serve` (the two sides of a call) ← `node`; `master` uses
//! `wire` and `link`. ARCHITECTURE.md is the map.

mod access;
mod address;
mod backoff;
mod balance;
#[cfg(feature = "bench")]
mod bench;
mod call;
mod callee;
mod carried;
mod changes;
mod close;
mod discovery;
mod error;
pub mod hook;
mod http;
mod id;
mod json;
mod keys;
mod link;
mod link_info;
mod local;
mod master;
mod membership;
mod metadata;
pub mod metrics;
mod millis;
mod node;
pub mod operator;
mod panic_text;
mod probes;
pub mod queue;
mod ready;
mod rendezvous;
mod repeating;
mod retry;
pub mod schema;
mod serve;
mod shape;
mod signal;
mod socketio;
mod spans;
#[cfg(feature = "testing")]
pub mod testing;
mod trace;
mod verdict;
mod wire;
mod wire_type;
mod yielding;

pub use access::{CalledBy, HasQueues, MayCall, Mesh, NodeDeclaration, NodeType, StubFor};
pub use balance::Balance;
pub use call::{
    BalancedCall, BroadcastCall, Gather, GatherCall, Incomplete, Outcome, Queued, QueuedCall,
    QueuedGatherCall, Sent,
};
pub use close::{CloseCode, CloseReason};
pub use error::{CallError, CodecError, JobError, Refusal, RunError, StartError};
pub use hook::Hook;
pub use id::{BootEpoch, InstanceId, JobId, NodeId};
pub use json::JsonError;
pub use keys::{Keys, KeysError};
pub use link::heartbeat::Heartbeat;
pub use link_info::LinkInfo;
pub use master::{Master, MasterBuilder, NodeInfo};
pub use mesh_macros::{mesh_node, mesh_schema};
pub use metadata::Metadata;
pub use node::{Event, Events, Node, NodeBuilder, ShutdownReport};
pub use ready::{NotReady, Ready};
pub use retry::RetryBudget;
pub use serve::{Caller, Context, JobInfo};
pub use trace::{NoTraceContext, TraceContext, TracePropagator, TraceRelation};

/// The bare transport, for the interop tests of this workspace. May change at any time.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use socketio::interop as __interop;

/// The steps of a call, for the instruction-count benchmarks of this workspace. May change at any time.
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod __bench {
    pub use crate::bench::*;
}

/// What the macro's output refers to. Not for hand-written code; may change at any time.
#[doc(hidden)]
pub mod __private {
    pub use crate::{
        access::{HasQueues, MayCall, MayCallCommand, Mesh, Narrowed, NodeDeclaration, NodeType},
        call::{BalancedCall, BroadcastCall, ClientCore, GatherCall, QueuedCall, QueuedGatherCall},
        error::{CallError, JobError},
        master::MasterBuilder,
        node::NodeBuilder,
        queue::{CommandQueue, NodeQueues},
        schema::{CommandSpec, Delivery, NodeSpec, Orphans, Schema},
        serve::{CallRequest, Context, JobRequest, JobRun, Serve, TellRequest},
        wire_type::{
            WireType, answer, balanced, broadcast, gather, queue, queued_balanced,
            queued_broadcast, shape, tell, wire, work,
        },
    };
    pub use mesh_macros::__compose;
    pub use serde::{Serialize, de::DeserializeOwned};
    pub use std::sync::Arc;
}

/// Compiles and runs the README's tour.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadmeTour;
