//! The features of socketmesh, and how this mesh behaves where socketmesh left things open. Each is a test over real
//! sockets, named after its situation.

mod broadcasts;
mod by_hand;
mod calls;
mod deadlines;
mod environment;
mod evolution;
mod failures;
mod hooks;
mod house;
mod links;
mod master;
mod metadata;
mod metrics;
mod newcomers;
mod operators;
mod queues;
mod refusals;
mod registration;
mod rests;
mod reverse;
mod rolling_upgrade;
mod settings;
mod shutdown;
mod split;
mod traceparent;
mod versions;
mod waiting;
