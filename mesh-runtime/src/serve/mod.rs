//! The handler's side of a call: what a handler is given, and how its result finds its way back.

mod context;
mod dispatcher;
mod request;

pub use context::{Caller, Context, JobInfo};
pub(crate) use dispatcher::{CommandEntry, Dispatcher};
pub(crate) use request::{Erased, RawServe};
pub use request::{Request, Serve};
