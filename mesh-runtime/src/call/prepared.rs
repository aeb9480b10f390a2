//! What all calls have in common: their arguments, encoded once, and their deadline.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    BalancedCall, BroadcastCall, GatherCall, QueuedCall, QueuedGatherCall,
    started::{Content, Deadline, StartedCall},
};
use crate::{
    callee::Callee,
    carried::{Carried, NotCarried},
    error::{CallError, CodecError},
    id::CommandName,
    local::LocalNode,
    schema::{CommandSpec, DEFAULT_TIMEOUT, NodeSpec},
    wire::{
        codec::{self, MAX_PAYLOAD},
        frame::CallPayload,
        job_options::{JobDue, JobOptions},
    },
};

/// What all stubs have in common. Called by the macro's output; use the generated stubs instead.
#[doc(hidden)]
#[derive(Clone)]
pub struct ClientCore {
    local: Arc<LocalNode>,
    callee: Arc<Callee>,
    inherited: Inherited,
}

/// What a call takes over from the call that is being served, if its stub is from a handler's context.
#[derive(Clone, Default)]
pub(crate) struct Inherited {
    /// The deadline.
    pub(crate) deadline: Option<Instant>,
    pub(crate) carried: Carried,
}

impl ClientCore {
    pub(crate) fn new(
        local: Arc<LocalNode>,
        callee: &'static NodeSpec,
        inherited: Inherited,
    ) -> Self {
        let callee = local.callee(callee);
        Self {
            local,
            callee,
            inherited,
        }
    }

    /// A call to one instance.
    pub fn balanced<A: Serialize, T: DeserializeOwned>(
        &self,
        spec: &'static CommandSpec,
        args: &A,
    ) -> BalancedCall<T> {
        BalancedCall::new(self.prepared(spec, args), codec::decode)
    }

    /// A call to all instances.
    pub fn gather<A: Serialize, T: DeserializeOwned>(
        &self,
        spec: &'static CommandSpec,
        args: &A,
    ) -> GatherCall<T> {
        GatherCall::new(self.prepared(spec, args), codec::decode)
    }

    /// A broadcast to all instances, without an answer.
    pub fn broadcast<A: Serialize>(&self, spec: &'static CommandSpec, args: &A) -> BroadcastCall {
        BroadcastCall::new(self.prepared(spec, args))
    }

    /// A job for one instance.
    pub fn queued_balanced<A: Serialize>(
        &self,
        spec: &'static CommandSpec,
        args: &A,
    ) -> QueuedCall {
        QueuedCall::new(self.prepared_job(spec, args))
    }

    /// A job for every instance.
    pub fn queued_broadcast<A: Serialize>(
        &self,
        spec: &'static CommandSpec,
        args: &A,
    ) -> QueuedGatherCall {
        QueuedGatherCall::new(GatherCall::new(
            self.prepared_job(spec, args),
            codec::decode,
        ))
    }

    fn prepared_job<A: Serialize>(&self, spec: &'static CommandSpec, args: &A) -> PreparedCall {
        PreparedCall {
            job: Some(JobOptions::default()),
            ..self.prepared(spec, args)
        }
    }

    fn prepared<A: Serialize>(&self, spec: &'static CommandSpec, args: &A) -> PreparedCall {
        PreparedCall {
            local: Arc::clone(&self.local),
            callee: Arc::clone(&self.callee),
            spec,
            args: codec::encode(args, MAX_PAYLOAD),
            job: None,
            timeout: None,
            inherited: self.inherited.deadline,
            carried: self.inherited.carried.clone(),
            has_own_trace: false,
        }
    }
}

/// How an answer is decoded. It is kept as a function pointer, so that awaiting a call needs no bounds on its type.
pub(super) type Decode<T> = fn(&[u8]) -> Result<T, CodecError>;

/// A call that has not been made yet.
pub(super) struct PreparedCall {
    pub(super) local: Arc<LocalNode>,
    pub(super) callee: Arc<Callee>,
    pub(super) spec: &'static CommandSpec,
    args: Result<Bytes, CodecError>,
    /// The options of the job, if the call queues one. A call that merely has an answer of type `Queued` is not a job,
    /// and has no options.
    job: Option<JobOptions>,
    timeout: Option<Duration>,
    /// The deadline of the call that is being served.
    inherited: Option<Instant>,
    pub(super) carried: Carried,
    /// Whether the trace in what it carries is its own, and not that of the call that is being served.
    pub(super) has_own_trace: bool,
}

impl PreparedCall {
    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = Some(timeout);
    }

    /// Sets metadata that travels with the call.
    pub(super) fn set_meta(&mut self, key: String, value: String) {
        self.carried.insert(key, value);
    }

    /// Makes the call a part of a trace that comes from outside, if the text names one.
    pub(super) fn set_traceparent(&mut self, traceparent: &str) {
        if let Ok(trace) = traceparent.parse() {
            self.carried.set_trace(trace);
            self.has_own_trace = true;
        }
    }

    /// Delays the job by this long.
    pub(super) fn set_delay(&mut self, delay: Duration) {
        self.set_due(JobDue::After(millis(delay)));
    }

    /// Does not run the job before `time`.
    pub(super) fn set_at(&mut self, time: SystemTime) {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.set_due(JobDue::At(millis(since_epoch)));
    }

    fn set_due(&mut self, due: JobDue) {
        if let Some(job) = &mut self.job {
            job.due = due;
        }
    }

    /// Does not queue the job if the queue has accepted one with that key within the last `window`.
    pub(super) fn set_dedupe(&mut self, key: String, window: Duration) {
        if let Some(job) = &mut self.job {
            job.dedupe = Some((key, millis(window)));
        }
    }

    /// Begins the call: its timeout counts from here on, and a shutdown waits for it.
    pub(super) fn start(&self) -> StartedCall<'_> {
        let under_way = self.local.calls.token();
        StartedCall::new(self, self.deadline(), self.content(), under_way)
    }

    fn content(&self) -> Result<Content, CallError> {
        let args = self.args_with_options()?;
        if self.local.hooks.is_empty() && self.local.propagator.is_none() {
            return self.with_block(&args, &self.carried).map(Content::Fixed);
        }
        Ok(Content::Varying(args))
    }

    /// The arguments, behind an extension block if there is something in it.
    pub(super) fn with_block(
        &self,
        args: &Bytes,
        carried: &Carried,
    ) -> Result<CallPayload, CallError> {
        let payload = carried.in_front_of(args);
        payload.map_err(|NotCarried { what, source }| self.not_encoded(what, source))
    }

    /// The encoded arguments, behind the options if it is a job.
    fn args_with_options(&self) -> Result<Bytes, CallError> {
        if self.local.is_closed() {
            return Err(CallError::ShuttingDown {
                who: self.local.id.clone(),
            });
        }
        let args = self
            .args
            .clone()
            .map_err(|source| self.not_encoded("arguments", source))?;
        match &self.job {
            None => Ok(args),
            Some(options) => options
                .in_front_of(&args)
                .map_err(|source| self.not_encoded("job options", source)),
        }
    }

    fn not_encoded(&self, what: &str, source: CodecError) -> CallError {
        CallError::Codec {
            what: format!("the {what} of {} could not be encoded", self.command()),
            source,
            maybe_executed: false,
        }
    }

    /// The deadline, counted from now, by the timeout of the call, else that of the command, else the default. It is
    /// never later than the deadline of the call that is being served.
    fn deadline(&self) -> Deadline {
        let after = self.own_timeout();
        let now = Instant::now();
        let own = now
            .checked_add(after)
            .unwrap_or_else(|| now + Duration::from_secs(u32::MAX.into()));
        match self.inherited {
            Some(inherited) if inherited < own => Deadline {
                began: now,
                at: inherited,
                after: inherited.saturating_duration_since(now),
            },
            _ => Deadline {
                began: now,
                at: own,
                after,
            },
        }
    }

    fn own_timeout(&self) -> Duration {
        self.timeout
            .or(self.spec.timeout)
            .unwrap_or(DEFAULT_TIMEOUT)
    }

    /// The time that an instance needs so that a passed deadline says something about it: half of the call's own
    /// timeout, but no more than 1 s. It may have less: because of the deadline of the call that is being served, of
    /// earlier attempts, of hooks, or of a wait for room on the link.
    pub(super) fn fair_time(&self) -> Duration {
        (self.own_timeout() / 2).min(Duration::from_secs(1))
    }

    pub(super) fn name(&self) -> CommandName {
        CommandName {
            node_type: self.callee.node_type(),
            name: self.spec.name,
        }
    }

    /// The command, for errors.
    pub(super) fn command(&self) -> String {
        self.name().to_string()
    }

    pub(super) fn queues_job(&self) -> bool {
        self.job.is_some()
    }

    /// Decodes an answer.
    pub(super) fn decode<T>(&self, answer: &[u8], decode: Decode<T>) -> Result<T, CallError> {
        decode(answer).map_err(|source| CallError::Codec {
            what: format!("the answer of {} could not be decoded", self.command()),
            source,
            maybe_executed: true,
        })
    }
}

/// The span in milliseconds, rounded up, because a job must not run too early.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_rounded_up_to_milliseconds() {
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_millis(7)), 7);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }
}
