//! The handler's side of a call: what a handler is given, how it runs, and how its result is returned.

mod context;
mod dispatcher;
mod hooked;
mod request;
mod run;

pub use context::{Caller, Context, JobInfo};
pub(crate) use dispatcher::{Dispatcher, ServedCommand};
pub use request::{CallRequest, JobRequest, JobRun, Serve, TellRequest};
pub(crate) use run::{NoAnswer, Run};
