//! The commands. Each module has the arguments of its command, and `run`.

pub(crate) mod bench;
pub(crate) mod call;
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod drain;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod key;
pub(crate) mod links;
pub(crate) mod nodes;
pub(crate) mod schema;
pub(crate) mod top;
