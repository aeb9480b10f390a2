//! Links between nodes: the sealed connection, the handshake, and the flow-control state of what is in flight. Sockets
//! and bytes are below this layer; calls and handlers are above it.

pub(crate) mod budget;
pub(crate) mod calling;
pub(crate) mod channel;
pub(crate) mod credit;
pub(crate) mod gate;
pub(crate) mod heartbeat;
pub(crate) mod in_flight;
pub(crate) mod inbox;
#[expect(
    clippy::module_inception,
    reason = "a link is what the folder is about"
)]
pub(crate) mod link;
pub(crate) mod outbox;
pub(crate) mod serving;
pub(crate) mod table;
pub(crate) mod window;
