//! What socketmesh could do, and how this mesh behaves where that left things open: each a test over real sockets,
//! named by its situation.

mod broadcasts;
mod calls;
mod links;
mod queues;
mod registration;
