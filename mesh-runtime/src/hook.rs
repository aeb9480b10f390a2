//! Hooks: code of the user's own in the path of every call, for what all calls have in common: checks at the door, audit
//! lines, headers. [`Hook`] says when they run, and what follows from errors and panics.
//!
//! # A check at the door
//! Only calls of known tenants are served. The check runs before the handler, so a refused call did not run.
//!
//! ```
//! use mesh_runtime::{
//!     CallError, Context, Hook, hook::{Refused, Request}, mesh_schema, testing::TestMesh,
//! };
//!
//! mesh_schema! {
//!     mesh Shop;
//!     node Gateway { connect: [Billing]; }
//!     node Billing { allow: [Gateway]; balanced fn charge(cents: u64) -> u64; }
//! }
//!
//! struct Till;
//!
//! impl BillingHandler for Till {
//!     async fn charge(&self, _: Context<Billing>, cents: u64) -> u64 {
//!         cents
//!     }
//! }
//!
//! struct Door;
//!
//! impl Hook for Door {
//!     async fn before_handler(&self, request: &mut Request<'_>) -> Result<(), Refused> {
//!         match request.metadata.get("tenant") {
//!             Some("a" | "b") => Ok(()),
//!             _ => Err(Refused::new(401, "no such tenant")),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mesh = TestMesh::<Shop>::start().await?;
//! let billing = mesh.start_node(Billing::node(Till).hook(Door)).await?;
//! let gateway = mesh.start_node(Gateway::node()).await?;
//! gateway.ready::<Billing>(1).await?;
//!
//! let client = gateway.client::<Billing>();
//! assert_eq!(client.charge(500).meta("tenant", "a").await?, 500);
//! let error = client.charge(500).meta("tenant", "x").await.unwrap_err();
//! assert!(matches!(&error, CallError::Refused { peer, code: 401, .. } if peer == billing.id()));
//! assert!(!error.maybe_executed());
//! # Ok(()) }
//! ```
//!
//! # An audit line for each call
//! [`Hook::after_call`] hears of every call of a node, [`Hook::after_handler`] of every one that it serves. They must not
//! block, so the lines go through a channel.
//!
//! ```
//! # use mesh_runtime::{Context, Hook, hook::{CallEnd, CallOutcome}, mesh_schema, testing::TestMesh};
//! # mesh_schema! {
//! #     mesh Shop;
//! #     node Gateway { connect: [Billing]; }
//! #     node Billing { allow: [Gateway]; balanced fn charge(cents: u64) -> u64; }
//! # }
//! # struct Till;
//! # impl BillingHandler for Till {
//! #     async fn charge(&self, _: Context<Billing>, cents: u64) -> u64 { cents }
//! # }
//! use tokio::sync::mpsc;
//!
//! struct Audit(mpsc::UnboundedSender<String>);
//!
//! impl Hook for Audit {
//!     fn after_call(&self, call: &CallEnd<'_>) {
//!         let outcome = match call.outcome {
//!             CallOutcome::Done => "done".to_owned(),
//!             CallOutcome::Failed(error) => error.to_string(),
//!             _ => "dropped".to_owned(),
//!         };
//!         let tenant = call.metadata.get("tenant").unwrap_or("nobody");
//!         let _ = self.0.send(format!("{} for {tenant}: {outcome}", call.command));
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mesh = TestMesh::<Shop>::start().await?;
//! let (audit, mut lines) = mpsc::unbounded_channel();
//! let gateway = mesh.start_node(Gateway::node().hook(Audit(audit))).await?;
//! # let _billing = mesh.start_node(Billing::node(Till)).await?;
//! # gateway.ready::<Billing>(1).await?;
//! let client = gateway.client::<Billing>();
//! client.charge(500).meta("tenant", "a").await?;
//! assert_eq!(lines.recv().await.unwrap(), "Billing.charge for a: done");
//! client.charge(500).to("gone").await.unwrap_err();
//! assert!(lines.recv().await.unwrap().starts_with("Billing.charge for nobody: no instance"));
//! # Ok(()) }
//! ```
//!
//! # A header that travels along
//! What a hook of the first node adds to the metadata reaches the handlers of the nodes behind it, and the jobs that they
//! queue.
//!
//! ```
//! use mesh_runtime::{
//!     Context, Hook, JobError, hook::{Attempt, Refused}, mesh_schema, testing::TestMesh,
//! };
//! use tokio::sync::mpsc;
//!
//! mesh_schema! {
//!     mesh Shop;
//!     node Gateway { connect: [Billing]; }
//!     node Billing { allow: [Gateway]; connect: [Audit]; balanced fn charge(cents: u64); }
//!     node Audit { allow: [Billing]; queued balanced fn record(cents: u64); }
//! }
//!
//! struct Till;
//!
//! impl BillingHandler for Till {
//!     async fn charge(&self, cx: Context<Billing>, cents: u64) {
//!         // Sends the header of the call that it serves along.
//!         cx.client::<Audit>().record(cents).await.unwrap();
//!     }
//! }
//!
//! struct Records(mpsc::UnboundedSender<Option<String>>);
//!
//! impl AuditHandler for Records {
//!     async fn record(&self, cx: Context<Audit>, _: u64) -> Result<(), JobError> {
//!         Ok(self.0.send(cx.meta("request-id").map(str::to_owned))?)
//!     }
//! }
//!
//! struct RequestId;
//!
//! impl Hook for RequestId {
//!     async fn before_attempt(&self, attempt: &mut Attempt<'_>) -> Result<(), Refused> {
//!         attempt.metadata.insert("request-id", "r-17");
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mesh = TestMesh::<Shop>::start().await?;
//! let (records, mut recorded) = mpsc::unbounded_channel();
//! let _audit = mesh.start_node(Audit::node(Records(records))).await?;
//! let billing = mesh.start_node(Billing::node(Till)).await?;
//! # billing.ready::<Audit>(1).await?;
//! let gateway = mesh.start_node(Gateway::node().hook(RequestId)).await?;
//! # gateway.ready::<Billing>(1).await?;
//! gateway.client::<Billing>().charge(500).await?;
//! assert_eq!(recorded.recv().await.unwrap().as_deref(), Some("r-17"));
//! # Ok(()) }
//! ```

use std::{
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};

pub use crate::id::CommandName;
use crate::{error::CallError, id::NodeId, metadata::Metadata, panic_text::panic_text};

/// Is told of each call of a node, of its attempts on the caller's side, and of its handler on the callee's side. Set by
/// [`NodeBuilder::hook`](crate::NodeBuilder::hook); a node can have several.
///
/// - **Order.** The `before_` methods run one after the other, in the order in which the hooks were set. The `after_`
///   methods run in the opposite order.
/// - **Errors.** A `before_` method that returns [`Refused`] ends the call with
///   [`CallError::Refused`], before the handler runs; later hooks are not asked. The error names the node that
///   refused: on the caller's side this is the caller itself. If an earlier attempt of the call may have run, the call
///   returns the error of that attempt instead.
/// - **Panics** are caught. In a `before_` method a panic refuses the call with the code [`Refused::PANICKED`]; in an
///   `after_` method, or while a future is dropped, it is logged and changes nothing.
/// - **Time.** The `before_` methods count towards the deadline of the call, and their futures are dropped at the deadline
///   or when the call is dropped. Broadcasts and jobs have no deadline at the callee: there a hook that waits sets a
///   limit itself. They run even when a limit on the number of handlers is reached. The `after_` methods are called
///   inline, before the answer is returned or sent, and must not block. They may be called where no Tokio runtime is: a
///   call is told where it is dropped. So they do not start tasks, but send what is to be done through a channel.
/// - **Cancellation.** Each call that was awaited is told to [`after_call`](Self::after_call) exactly once, and each
///   request whose [`before_handler`](Self::before_handler) was called is told to [`after_handler`](Self::after_handler)
///   exactly once, also if it was dropped. A request that queues a job is not dropped when its caller gives up.
///
/// Built-in commands for operators do not pass through hooks. A node without hooks pays nothing for them.
///
/// The [module](self) has examples.
pub trait Hook: Send + Sync + 'static {
    /// On the caller's side, before each attempt of a call. May add metadata, to this attempt only.
    ///
    /// # Errors
    /// [`Refused`] ends the call; no other instance is tried.
    fn before_attempt(
        &self,
        attempt: &mut Attempt<'_>,
    ) -> impl Future<Output = Result<(), Refused>> + Send {
        let _ = attempt;
        ready(Ok(()))
    }

    /// On the caller's side, once a call has ended.
    fn after_call(&self, call: &CallEnd<'_>) {
        let _ = call;
    }

    /// On the callee's side, before a handler runs, and before a job is queued. May add metadata: the handler finds it in
    /// its context, and it goes on with the calls that the handler makes. With more than a call may carry, the call is
    /// refused with the code [`Refused::METADATA`].
    ///
    /// # Errors
    /// [`Refused`] ends the call before its handler has run. A refused job goes to the dead letters; one for which a
    /// hook has panicked is tried again, like one whose handler has panicked.
    fn before_handler(
        &self,
        request: &mut Request<'_>,
    ) -> impl Future<Output = Result<(), Refused>> + Send {
        let _ = request;
        ready(Ok(()))
    }

    /// On the callee's side, once a handler has ended, or has not run.
    fn after_handler(&self, request: &RequestEnd<'_>) {
        let _ = request;
    }
}

/// A rule does not allow a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
#[non_exhaustive]
pub struct Refused {
    /// What the rule is called, in numbers that its author chooses.
    pub code: u32,
    /// Why, for people. It is sent to the caller, shortened to 1 KiB.
    pub message: String,
}

impl Refused {
    /// The code of a refusal because a hook panicked.
    pub const PANICKED: u32 = u32::MAX;
    /// The code of a refusal because hooks have added more metadata than a call may carry.
    pub const METADATA: u32 = u32::MAX - 1;

    /// A refusal. The code is any number of your own, but neither [`PANICKED`](Self::PANICKED) nor
    /// [`METADATA`](Self::METADATA).
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(crate) fn is_panic(&self) -> bool {
        self.code == Self::PANICKED
    }
}

/// An attempt of a call that is about to be made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The command.
    pub command: CommandName,
    /// The instance that is to be called.
    pub peer: &'a NodeId,
    /// 1 for the first attempt. A call to all instances makes one attempt for each, all with the number 1.
    pub number: u32,
    /// The encoded arguments, in bytes; of a call that queues a job, with the job's options.
    pub size: usize,
    /// What is sent along.
    pub metadata: &'a mut Metadata,
}

/// A call that has ended on the caller's side.
#[derive(Debug)]
#[non_exhaustive]
pub struct CallEnd<'a> {
    /// The command.
    pub command: CommandName,
    /// The instance of the last attempt. `None` if there was no attempt.
    pub peer: Option<&'a NodeId>,
    /// How many attempts were made: of a call to all instances, one for each. Those that were not sent are among them,
    /// because the instance declares the command otherwise, or because a hook has refused.
    pub attempts: u32,
    /// How many of them failed or were not waited for.
    pub failed_attempts: u32,
    /// The encoded arguments, in bytes; of a call that queues a job, with the job's options. 0 if they could not be
    /// encoded.
    pub size: usize,
    /// What was sent along with the last attempt.
    pub metadata: &'a Metadata,
    /// How the call ended.
    pub outcome: CallOutcome<'a>,
    /// How long it took, from the await on.
    pub duration: Duration,
}

/// How a call ended on the caller's side.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum CallOutcome<'a> {
    /// It returned `Ok`: with an answer, even if that is an error of the handler's own; with the answers of a gather,
    /// even if some failed; or once a broadcast was sent.
    Done,
    /// It returned this error.
    Failed(&'a CallError),
    /// Its future was dropped.
    Dropped,
}

/// What is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestKind {
    /// A call whose caller waits for the answer.
    Call,
    /// A broadcast without an answer.
    Broadcast,
    /// A call that queues a job. Instead of a handler, the queue takes it.
    Enqueue,
    /// An attempt of a job.
    Job,
}

/// A call or job that is about to be served.
#[derive(Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The command.
    pub command: CommandName,
    /// What is to be served.
    pub kind: RequestKind,
    /// Who called, proven by its keys. `None` for a job.
    pub caller: Option<&'a NodeId>,
    /// Of a job, its attempt. Otherwise 1, since a callee does not know how often a call was tried.
    pub attempt: u32,
    /// The encoded arguments, in bytes; while a job is queued, with its options.
    pub size: usize,
    /// What came along. Trust it as far as the caller.
    pub metadata: &'a mut Metadata,
}

/// A call or job that was served, or not.
#[derive(Debug)]
#[non_exhaustive]
pub struct RequestEnd<'a> {
    /// The command.
    pub command: CommandName,
    /// What was to be served.
    pub kind: RequestKind,
    /// Who called. `None` for a job.
    pub caller: Option<&'a NodeId>,
    /// Of a job, its attempt. Otherwise 1.
    pub attempt: u32,
    /// The encoded arguments, in bytes; while a job is queued, with its options.
    pub size: usize,
    /// What came along, and what hooks have added.
    pub metadata: &'a Metadata,
    /// How it ended.
    pub outcome: RequestOutcome<'a>,
    /// How long it took, from its arrival here. For a job, from the start of this attempt.
    pub duration: Duration,
}

/// How a call or job ended on the callee's side.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum RequestOutcome<'a> {
    /// The handler returned, perhaps with an error of its own type; or the job was queued.
    Done,
    /// The arguments could not be decoded, the answer could not be encoded, the queue did not take the job, or the
    /// handler of a job returned an error. The text says what.
    Failed(&'a str),
    /// The handler panicked, with this text.
    Panicked(&'a str),
    /// A hook refused it.
    Refused(&'a Refused),
    /// The deadline passed.
    DeadlineExceeded,
    /// The caller gave up, the link was lost, or this node ended.
    Dropped,
}

/// A [`Hook`] as an object.
trait DynHook: Send + Sync {
    fn before_attempt<'a>(
        &'a self,
        attempt: &'a mut Attempt<'_>,
    ) -> BoxFuture<'a, Result<(), Refused>>;
    fn after_call(&self, call: &CallEnd<'_>);
    fn before_handler<'a>(
        &'a self,
        request: &'a mut Request<'_>,
    ) -> BoxFuture<'a, Result<(), Refused>>;
    fn after_handler(&self, request: &RequestEnd<'_>);
}

impl<H: Hook> DynHook for H {
    fn before_attempt<'a>(
        &'a self,
        attempt: &'a mut Attempt<'_>,
    ) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(async { Hook::before_attempt(self, attempt).await })
    }

    fn after_call(&self, call: &CallEnd<'_>) {
        Hook::after_call(self, call);
    }

    fn before_handler<'a>(
        &'a self,
        request: &'a mut Request<'_>,
    ) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(async { Hook::before_handler(self, request).await })
    }

    fn after_handler(&self, request: &RequestEnd<'_>) {
        Hook::after_handler(self, request);
    }
}

/// The hooks of a node, in their order.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Vec<Arc<dyn DynHook>>);

impl Hooks {
    pub(crate) fn add(&mut self, hook: impl Hook) {
        self.0.push(Arc::new(hook));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) async fn before_attempt(&self, attempt: &mut Attempt<'_>) -> Result<(), Refused> {
        for hook in &self.0 {
            caught(hook.before_attempt(attempt)).await?;
        }
        Ok(())
    }

    pub(crate) fn after_call(&self, call: &CallEnd<'_>) {
        for hook in self.0.iter().rev() {
            note_panic(call.command, || hook.after_call(call));
        }
    }

    /// `asked` counts the hooks that were asked.
    pub(crate) async fn before_handler(
        &self,
        request: &mut Request<'_>,
        asked: &mut usize,
    ) -> Result<(), Refused> {
        for hook in &self.0 {
            *asked += 1;
            caught(hook.before_handler(request)).await?;
        }
        Ok(())
    }

    /// Tells those that were asked.
    pub(crate) fn after_handler(&self, request: &RequestEnd<'_>, asked: usize) {
        for hook in self.0.iter().take(asked).rev() {
            note_panic(request.command, || hook.after_handler(request));
        }
    }
}

async fn caught(asking: BoxFuture<'_, Result<(), Refused>>) -> Result<(), Refused> {
    let asked = AssertUnwindSafe(Asking(Some(asking))).catch_unwind().await;
    asked.unwrap_or_else(|panic| {
        let text = panic_text(&*panic);
        Err(Refused::new(
            Refused::PANICKED,
            format!("a hook panicked: {text}"),
        ))
    })
}

/// The future of a hook. A panic while it is dropped is logged, since nobody is there to refuse.
struct Asking<'a>(Option<BoxFuture<'a, Result<(), Refused>>>);

impl Future for Asking<'_> {
    type Output = Result<(), Refused>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        self.0
            .as_mut()
            .map_or(Poll::Ready(Ok(())), |asking| asking.poll_unpin(cx))
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let asking = self.0.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(asking))) {
            let message = panic_text(&*panic);
            tracing::error!(%message, "a hook panicked while it was dropped");
        }
    }
}

fn note_panic(command: CommandName, told: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(told)) {
        let message = panic_text(&*panic);
        tracing::error!(%command, %message, "a hook panicked");
    }
}
