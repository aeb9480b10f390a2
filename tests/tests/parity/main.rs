//! What socketmesh could do, and how this mesh behaves where that left things open: each a test over real sockets,
//! named by its situation.

mod broadcasts;
mod calls;
mod deadlines;
mod environment;
mod evolution;
mod failures;
mod links;
mod master;
mod queues;
mod refusals;
mod registration;
mod rolling_upgrade;
mod settings;
mod shutdown;
mod split;
