//! The mesh that is measured: hubs, and workers that link to every hub.

use mesh_runtime::{Context, mesh_schema};

mesh_schema! {
    /// Two node types, so that one kind of join concerns everybody and the other nobody.
    pub(crate) mesh Scale;

    /// Dials every hub. That one comes or goes concerns no other node.
    node Worker {
        allow: [];
        connect: [Hub];
    }

    /// Is dialled. That one comes or goes concerns every worker.
    node Hub {
        allow: [Worker];
        connect: [];

        /// One instance says the same.
        balanced fn echo(payload: Vec<u8>) -> Vec<u8>;

        /// All instances say the same.
        broadcast fn echo_all(payload: Vec<u8>) -> Vec<u8>;
    }
}

/// Says what it hears.
pub(crate) struct Echo;

impl HubHandler for Echo {
    async fn echo(&self, _cx: Context<Hub>, payload: Vec<u8>) -> Vec<u8> {
        payload
    }

    async fn echo_all(&self, _cx: Context<Hub>, payload: Vec<u8>) -> Vec<u8> {
        payload
    }
}
