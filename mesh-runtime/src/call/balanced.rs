//! Calls to one instance: chooses an instance, calls it, and tries another one if that is safe.

use std::{
    future::IntoFuture,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::time::Instant;
use tracing::Instrument;

use super::{PreparedCall, Queued, attempt, prepared::Decode, started::StartedCall};
use crate::{
    balance::{Balance, Placing},
    callee::{Instance, Picked},
    error::{CallError, CodecError},
    id::InstanceId,
    link::link::Link,
    metrics::EndStatus,
    verdict::Verdict,
    wire::codec::{self, MAX_PAYLOAD},
};

/// A call to one instance, chosen by the node's [`Balance`]. Nothing happens until it is awaited.
///
/// If the call did not reach the chosen instance, or that instance is overloaded, shutting down or incompatible,
/// another one is tried. A call that may have run is tried again only if its command is `#[idempotent]`. Errors are
/// [`CallError`]s; dropping the future cancels the call.
#[must_use = "a call does nothing until it is awaited"]
pub struct BalancedCall<T> {
    placed: Placed,
    decode: Decode<T>,
}

impl<T> BalancedCall<T> {
    pub(super) fn new(prepared: PreparedCall, decode: Decode<T>) -> Self {
        Self {
            placed: Placed::new(prepared),
            decode,
        }
    }

    /// The deadline of this call, counted from the await. Default: the command's `#[timeout]`, or 3 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.placed.prepared.set_timeout(timeout);
        self
    }

    /// Sends a text along with the call, which the handler gets by [`Context::meta`](crate::Context::meta), in place of an
    /// earlier one with the same key. See [`Metadata`](crate::Metadata) for its limits.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.placed.prepared.set_meta(key.into(), value.into());
        self
    }

    /// Makes the call a part of the trace that this `traceparent` names, as the header of an HTTP request does. A text that
    /// is none is ignored, as W3C's [Trace Context](https://www.w3.org/TR/trace-context/) asks for.
    pub fn traceparent(mut self, traceparent: &str) -> Self {
        self.placed.prepared.set_traceparent(traceparent);
        self
    }

    /// Calls this instance and no other.
    pub fn to(mut self, instance: impl Into<InstanceId>) -> Self {
        self.placed.to = Some(instance.into());
        self
    }

    /// Chooses the instance by this policy instead of the node's.
    pub fn balance(mut self, balance: Balance) -> Self {
        self.placed.balance = balance;
        self
    }

    /// If no instance is linked, waits for one, until the deadline; also if the only one shuts down before the call has
    /// reached it. Without it, the call then fails at once.
    pub fn wait_for_peer(mut self) -> Self {
        self.placed.waits = true;
        self
    }

    /// Called by the macro's output for `#[key]`.
    #[doc(hidden)]
    pub fn keyed<K: Serialize + ?Sized>(mut self, key: &K) -> Self {
        self.placed.set_key(key);
        self
    }
}

impl<T: 'static> IntoFuture for BalancedCall<T> {
    type Output = Result<T, CallError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = self.placed.prepared.start();
            // Boxed where it is traced, so that it is no bigger where it is not.
            let answer = match call.span() {
                None => self.placed.call(&call).await,
                Some(span) => Box::pin(self.placed.call(&call).instrument(span)).await,
            };
            let mut status = EndStatus::Ok;
            let decoded = answer.and_then(|answer| {
                status = EndStatus::of_answer::<T>(&answer);
                self.placed.prepared.decode(&answer, self.decode)
            });
            call.end(decoded, status)
        })
    }
}

/// Queues a job with one instance, which is chosen like that of a [`BalancedCall`]. `Ok` means that the queue of that
/// instance has accepted the job.
#[must_use = "a call does nothing until it is awaited"]
pub struct QueuedCall {
    placed: Placed,
}

impl QueuedCall {
    pub(super) fn new(prepared: PreparedCall) -> Self {
        Self {
            placed: Placed::new(prepared),
        }
    }

    /// How long queueing the job may take, counted from the await. Default: the command's `#[timeout]`, or 3 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.placed.prepared.set_timeout(timeout);
        self
    }

    /// Sends a text along with the call, which the handler gets by [`Context::meta`](crate::Context::meta), in place of an
    /// earlier one with the same key. See [`Metadata`](crate::Metadata) for its limits.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.placed.prepared.set_meta(key.into(), value.into());
        self
    }

    /// Makes the call a part of the trace that this `traceparent` names, as the header of an HTTP request does. A text that
    /// is none is ignored, as W3C's [Trace Context](https://www.w3.org/TR/trace-context/) asks for.
    pub fn traceparent(mut self, traceparent: &str) -> Self {
        self.placed.prepared.set_traceparent(traceparent);
        self
    }

    /// Gives the job to this instance and no other.
    pub fn to(mut self, instance: impl Into<InstanceId>) -> Self {
        self.placed.to = Some(instance.into());
        self
    }

    /// Does not run the job until this much time has passed since the queue accepted it. If both `delay` and
    /// [`at`](Self::at) are given, the last one counts.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.placed.prepared.set_delay(delay);
        self
    }

    /// Does not run the job before `time`, by the clock of the instance that accepts it or of its queue engine. If that
    /// time has passed, the job may run at once. If both [`delay`](Self::delay) and `at` are given, the last one
    /// counts.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.placed.prepared.set_at(time);
        self
    }

    /// Does not queue the job if its queue has accepted a job of this command with the same key within the last
    /// `window`, whether that job has run or not. The answer then has the id of the earlier job, and is a
    /// [`duplicate`](Queued::duplicate). Instances that share a queue share its keys. In memory each instance has its
    /// own keys, so choose the instance by [`to`](Self::to) or a `#[key]`.
    ///
    /// A key has 1 to 256 bytes; with any other length the call fails before anything is sent. A caller that does not
    /// know whether its call succeeded can repeat it with the same key.
    pub fn dedupe(mut self, key: impl Into<String>, window: Duration) -> Self {
        self.placed.prepared.set_dedupe(key.into(), window);
        self
    }

    /// If no instance is linked, waits for one, until the deadline. Without it, the call then fails at once.
    pub fn wait_for_peer(mut self) -> Self {
        self.placed.waits = true;
        self
    }

    /// Called by the macro's output for `#[key]`.
    #[doc(hidden)]
    pub fn keyed<K: Serialize + ?Sized>(mut self, key: &K) -> Self {
        self.placed.set_key(key);
        self
    }
}

impl IntoFuture for QueuedCall {
    type Output = Result<Queued, CallError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        BalancedCall {
            placed: self.placed,
            decode: codec::decode,
        }
        .into_future()
    }
}

/// Whether the call did not run because its instance went away.
fn is_gone(error: &CallError) -> bool {
    let gone = matches!(
        error,
        CallError::ShuttingDown { .. } | CallError::LinkLost { .. }
    );
    gone && !error.maybe_executed()
}

/// A call and how its instance is chosen.
struct Placed {
    prepared: PreparedCall,
    balance: Balance,
    to: Option<InstanceId>,
    key: Option<Result<Bytes, CodecError>>,
    /// Whether to wait until there is an instance.
    waits: bool,
}

impl Placed {
    fn new(prepared: PreparedCall) -> Self {
        let balance = prepared.local.balance;
        Self {
            prepared,
            balance,
            to: None,
            key: None,
            waits: false,
        }
    }

    fn set_key<K: Serialize + ?Sized>(&mut self, key: &K) {
        self.key = Some(codec::encode(key, MAX_PAYLOAD));
    }

    fn placing(&self) -> Result<Placing<'_>, CallError> {
        if let Some(instance) = &self.to {
            return Ok(Placing::To(instance));
        }
        match &self.key {
            None => Ok(Placing::Policy(self.balance)),
            Some(Ok(key)) => Ok(Placing::Key(key)),
            Some(Err(source)) => Err(CallError::Codec {
                what: format!(
                    "the key of {} could not be encoded",
                    self.prepared.command()
                ),
                source: source.clone(),
                maybe_executed: false,
            }),
        }
    }

    /// Tries one instance after the other, for as long as that is safe.
    async fn call(&self, call: &StartedCall<'_>) -> Result<Bytes, CallError> {
        let placing = self.placing()?;
        call.check()?;
        self.prepared.callee.retries.count_call();
        let mut tried: Vec<Arc<Link>> = Vec::new();
        let mut to = match self.next(call, placing, &tried) {
            Some(to) => to,
            None if self.waits => {
                let first = Box::pin(self.awaited(call, placing, &tried)).await?;
                first.ok_or_else(|| self.nobody())?
            }
            None => return Err(self.nobody()),
        };
        let mut earlier = None;
        loop {
            let number = tried.len() as u32 + 1;
            let error = match attempt::call(call, number, &to).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let elsewhere = attempt::may_try_elsewhere(&error, call.spec().idempotent);
            let may_have_run = error.maybe_executed();
            let error = attempt::of_attempts(earlier, error);
            if !elsewhere || call.is_over() {
                return Err(error);
            }
            tried.push(Arc::clone(&to.instance.link));
            let mut next = self.next(call, placing, &tried);
            if next.is_none() && self.waits && is_gone(&error) {
                next = Box::pin(self.awaited(call, placing, &tried)).await?;
            }
            let Some(next) = next else {
                return Err(error);
            };
            // What certainly did not run is no additional work.
            if may_have_run && !self.prepared.callee.retries.try_spend(Instant::now()) {
                return Err(error);
            }
            tracing::debug!(peer = %to.instance.link.peer.id, %error, "tries another instance");
            call.retried();
            earlier = Some(error);
            to = next;
        }
    }

    /// The first instance that is linked before the deadline, and was not tried.
    async fn awaited<'a>(
        &'a self,
        call: &StartedCall<'_>,
        placing: Placing<'_>,
        tried: &[Arc<Link>],
    ) -> Result<Option<Picked<'a>>, CallError> {
        let mut first = None;
        call.waits(self.prepared.callee.until(|_| {
            first = self.next(call, placing, tried);
            first.is_some()
        }))
        .await?;
        Ok(first)
    }

    fn next(
        &self,
        call: &StartedCall<'_>,
        placing: Placing<'_>,
        tried: &[Arc<Link>],
    ) -> Option<Picked<'_>> {
        let command = call.spec().id;
        let usable = |instance: &Instance| {
            let link = &instance.link;
            link.peer.verdicts.outgoing(command) != Verdict::Incompatible
                && !tried.iter().any(|other| Arc::ptr_eq(other, link))
        };
        let may_probe = tried.is_empty();
        let callee = &self.prepared.callee;
        callee.pick(command, placing, may_probe, usable)
    }

    /// Why there is no instance to call.
    fn nobody(&self) -> CallError {
        let callee = &self.prepared.callee;
        let incompatible = callee
            .links()
            .iter()
            .filter(|link| {
                self.to
                    .as_ref()
                    .is_none_or(|instance| link.peer.id.instance == *instance)
            })
            .any(|link| {
                link.peer.verdicts.outgoing(self.prepared.spec.id) == Verdict::Incompatible
            });
        if incompatible {
            return CallError::Incompatible {
                what: format!(
                    "every linked instance declares {} otherwise, or not at all",
                    self.prepared.command()
                ),
            };
        }
        CallError::NoPeer {
            node_type: callee.node_type(),
            instance: self.to.clone(),
        }
    }
}
