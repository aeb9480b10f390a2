//! The measured mesh: hubs, and workers that link to every hub.

use mesh_runtime::{Context, mesh_schema};

mesh_schema! {
    /// Two node types, so that one kind of join is told to all workers and the other to no node.
    pub(crate) mesh Scale;

    /// Dials every hub. No other node is told when a worker joins or leaves.
    node Worker {
        allow: [];
        connect: [Hub];
    }

    /// Is dialled. Every worker is told when a hub joins or leaves.
    node Hub {
        allow: [Worker];
        connect: [];

        /// One instance returns its argument.
        balanced fn echo(payload: Vec<u8>) -> Vec<u8>;

        /// All instances return their argument.
        broadcast fn echo_all(payload: Vec<u8>) -> Vec<u8>;
    }
}

/// Returns its argument.
pub(crate) struct Echo;

impl HubHandler for Echo {
    async fn echo(&self, _cx: Context<Hub>, payload: Vec<u8>) -> Vec<u8> {
        payload
    }

    async fn echo_all(&self, _cx: Context<Hub>, payload: Vec<u8>) -> Vec<u8> {
        payload
    }
}
