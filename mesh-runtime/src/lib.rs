//! A typed service mesh from one macro. (skeleton)
pub mod schema;
mod access;
mod call;
mod error;
mod id;
mod master;
mod node;
mod serve;
mod travel;

pub use access::{MayCall, Mesh, NodeType};
pub use call::{Balanced, Broadcast, Gather, GatherCall, Queued, QueuedCall, Sent};
pub use error::{CallError, CodecError, JobError, Refusal, StartError};
pub use id::{BootEpoch, InstanceId, JobId, NodeId};
pub use master::MasterBuilder;
pub use mesh_macros::mesh_schema;
pub use node::{Node, NodeBuilder};
pub use serve::Context;

/// What the macro's output names. Not for hand-written code; may change at any time.
#[doc(hidden)]
pub mod __private {
    pub use std::sync::Arc;
    pub use serde::{Serialize, de::DeserializeOwned};
    pub use crate::{
        access::{MayCall, MayCallCommand, Mesh, NodeType},
        call::{Balanced, Broadcast, ClientCore, Gather, GatherCall, Queued, QueuedCall},
        error::JobError,
        master::MasterBuilder,
        node::NodeBuilder,
        schema::{CommandSpec, Delivery, NodeSpec, Orphans, Schema},
        serve::{Context, Request, Serve},
        travel::{
            Travels, answer, balanced, broadcast, gather, queued_balanced, queued_broadcast, tell, work,
        },
    };
}
