//! A call that is under way: what its attempts send, its span, and what hooks are told of it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Span;

use super::prepared::PreparedCall;
use crate::{
    carried::Carried,
    error::CallError,
    hook::{Attempt, CallEnd, CallOutcome},
    id::{CommandName, NodeId},
    link::link::Link,
    metadata::Metadata,
    metrics::{CommandRecorder, EndStatus},
    schema::CommandSpec,
    spans,
    trace::TraceRelation,
    wire::frame::CallPayload,
};

/// When a call began, when it ends, and how long it had in total.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    pub(super) began: Instant,
    pub(super) at: Instant,
    pub(super) after: Duration,
}

/// A call that is under way. Every attempt of it has the same arguments and the same deadline. If it is dropped before
/// its [`end`](Self::end), hooks hear that it was dropped.
pub(super) struct StartedCall<'a> {
    pub(super) deadline: Deadline,
    /// `None` if nobody listens.
    span: Option<Box<Span>>,
    prepared: &'a PreparedCall,
    /// What is sent, or why nothing can be.
    content: Result<Content, Box<CallError>>,
    hooked: Option<Box<Hooked>>,
    /// Counts this call. `None` once it has ended.
    recorder: Option<&'a CommandRecorder>,
    _under_way: TaskTrackerToken,
}

/// What is sent.
pub(super) enum Content {
    /// The same with each attempt.
    Fixed(CallPayload),
    /// The arguments, to which each attempt adds what hooks and the trace give it.
    Varying(Bytes),
}

/// What hooks are to be told.
struct Hooked {
    size: usize,
    attempts: Mutex<Attempts>,
}

#[derive(Default)]
struct Attempts {
    made: u32,
    failed: u32,
    /// Whom the last one went to, and what was sent along.
    last: Option<(NodeId, Metadata)>,
}

impl<'a> StartedCall<'a> {
    pub(super) fn new(
        prepared: &'a PreparedCall,
        deadline: Deadline,
        content: Result<Content, CallError>,
        under_way: TaskTrackerToken,
    ) -> Self {
        let hooked = || {
            Box::new(Hooked {
                size: match &content {
                    Ok(Content::Varying(args)) => args.len(),
                    Ok(Content::Fixed(_)) | Err(_) => 0,
                },
                attempts: Mutex::default(),
            })
        };
        let recorder = prepared.callee.recorder(prepared.spec.id);
        let span = spans::listening().then(|| Box::new(span(prepared)));
        // After all code of the user's own, which may panic.
        if let Some(recorder) = recorder {
            recorder.begin();
        }
        Self {
            deadline,
            recorder,
            span,
            prepared,
            hooked: (!prepared.local.hooks.is_empty()).then(hooked),
            content: content.map_err(Box::new),
            _under_way: under_way,
        }
    }

    pub(super) fn spec(&self) -> &'static CommandSpec {
        self.prepared.spec
    }

    pub(super) fn name(&self) -> CommandName {
        self.prepared.name()
    }

    /// The command, for errors.
    pub(super) fn command(&self) -> String {
        self.prepared.command()
    }

    /// # Errors
    /// If nothing can be sent: something could not be encoded, or this node has ended.
    pub(super) fn check(&self) -> Result<(), CallError> {
        self.content().map(drop)
    }

    fn content(&self) -> Result<&Content, CallError> {
        self.content.as_ref().map_err(|error| (**error).clone())
    }

    /// Whether the deadline has passed.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline.at
    }

    /// Waits for instances until the deadline. Returns at the deadline, too.
    ///
    /// # Errors
    /// If this node shuts down: it gets no more links then.
    pub(super) async fn waits(&self, until: impl Future<Output = ()>) -> Result<(), CallError> {
        let local = &self.prepared.local;
        tokio::select! {
            _ = tokio::time::timeout_at(self.deadline.at, until) => Ok(()),
            () = local.draining.cancelled() => Err(CallError::ShuttingDown {
                who: local.id.clone(),
            }),
        }
    }

    /// The time that an instance needs so that a passed deadline says something about it.
    pub(super) fn fair_time(&self) -> Duration {
        self.prepared.fair_time()
    }

    /// What an attempt sends.
    ///
    /// # Errors
    /// If nothing can be sent, if a hook refuses, if it takes too long, or if what hooks add is too much.
    pub(super) async fn payload_to(
        &self,
        link: &Link,
        number: u32,
    ) -> Result<CallPayload, CallError> {
        match self.content()? {
            Content::Fixed(payload) => Ok(payload.clone()),
            // Boxed, so that a call without hooks is no bigger for it.
            Content::Varying(args) => Box::pin(self.varied(args, link, number)).await,
        }
    }

    /// The arguments with what hooks and the trace add to them.
    async fn varied(
        &self,
        args: &Bytes,
        link: &Link,
        number: u32,
    ) -> Result<CallPayload, CallError> {
        let mut carried = self.prepared.carried.clone();
        if let Some(hooked) = &self.hooked {
            let asked = self.ask_hooks(hooked, link, number, carried.metadata_mut());
            let asked = tokio::time::timeout_at(self.deadline.at, asked).await;
            asked.map_err(|_| CallError::DeadlineExceeded {
                command: self.name(),
                peer: None,
                after: self.deadline.after,
                maybe_executed: false,
            })??;
        }
        self.inject_trace(&mut carried);
        self.prepared.with_block(args, &carried)
    }

    async fn ask_hooks(
        &self,
        hooked: &Hooked,
        link: &Link,
        number: u32,
        metadata: &mut Metadata,
    ) -> Result<(), CallError> {
        let local = &self.prepared.local;
        let mut attempt = Attempt {
            command: self.name(),
            peer: &link.peer.id,
            number,
            size: hooked.size,
            metadata,
        };
        let asked = local.hooks.before_attempt(&mut attempt).await;
        if let Some((peer, sent)) = &mut hooked.attempts().last
            && *peer == link.peer.id
        {
            sent.clone_from(metadata);
        }
        asked.map_err(|refused| CallError::Refused {
            peer: local.id.clone(),
            code: refused.code,
            message: refused.message,
        })
    }

    fn inject_trace(&self, carried: &mut Carried) {
        let is_traced = self.span.as_ref().is_some_and(|span| !span.is_disabled());
        if self.prepared.has_own_trace && !is_traced {
            // The current span is not part of the trace that the caller has named.
            return;
        }
        if let Some(propagator) = &self.prepared.local.propagator
            && let Some(trace) = propagator.inject(&Span::current())
        {
            carried.set_trace(trace);
        }
    }

    /// The span of this call. `None` if nobody listens.
    pub(super) fn span(&self) -> Option<Span> {
        self.span.as_deref().cloned()
    }

    /// Whether someone wants to know of each attempt.
    pub(super) fn is_observed(&self) -> bool {
        self.span.is_some() || self.hooked.is_some()
    }

    /// An attempt begins.
    pub(super) fn attempt_begins(&self, peer: &NodeId) {
        if let Some(hooked) = &self.hooked {
            let mut attempts = hooked.attempts();
            attempts.made += 1;
            attempts.last = Some((peer.clone(), self.prepared.carried.metadata().clone()));
        }
    }

    /// An attempt has failed, or was given up.
    pub(super) fn attempt_failed(&self) {
        if let Some(hooked) = &self.hooked {
            hooked.attempts().failed += 1;
        }
    }

    /// The call is tried once more.
    pub(super) fn retried(&self) {
        if let Some(recorder) = self.recorder {
            recorder.retried();
        }
    }

    /// The call has ended like this. `status` is that of a call which has an answer.
    pub(super) fn end<T>(
        mut self,
        result: Result<T, CallError>,
        status: EndStatus,
    ) -> Result<T, CallError> {
        let status = result.as_ref().err().map_or(status, EndStatus::from);
        self.note_end(status);
        self.tell(match &result {
            Ok(_) => CallOutcome::Done,
            Err(error) => CallOutcome::Failed(error),
        });
        result
    }

    /// Tells the recorder and the span.
    fn note_end(&mut self, status: EndStatus) {
        if let Some(recorder) = self.recorder.take() {
            recorder.end(self.deadline.began, status);
        }
        if let Some(span) = self.span.take()
            && !matches!(status, EndStatus::Ok | EndStatus::Error)
        {
            spans::failed(&span, status);
        }
    }

    fn tell(&mut self, outcome: CallOutcome<'_>) {
        let Some(hooked) = self.hooked.take() else {
            return;
        };
        let attempts = hooked.attempts();
        let (peer, metadata) = match &attempts.last {
            Some((peer, metadata)) => (Some(peer), metadata),
            None => (None, self.prepared.carried.metadata()),
        };
        self.prepared.local.hooks.after_call(&CallEnd {
            command: self.name(),
            peer,
            attempts: attempts.made,
            failed_attempts: attempts.failed,
            size: hooked.size,
            metadata,
            outcome,
            duration: self.deadline.began.elapsed(),
        });
    }
}

/// The span of a call.
fn span(prepared: &PreparedCall) -> Span {
    let span = spans::call(prepared.name(), prepared.queues_job());
    if prepared.has_own_trace
        && let (Some(propagator), Some(trace)) =
            (&prepared.local.propagator, prepared.carried.trace())
        && !span.is_disabled()
    {
        propagator.extract(&span, trace, TraceRelation::Parent);
    }
    span
}

impl Drop for StartedCall<'_> {
    fn drop(&mut self) {
        self.note_end(EndStatus::Cancelled);
        self.tell(CallOutcome::Dropped);
    }
}

impl Hooked {
    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
