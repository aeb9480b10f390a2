//! Broadcasts to all instances, without an answer.

use std::{future::IntoFuture, time::Duration};

use futures_util::future::{BoxFuture, join_all};
use tracing::{Instrument, Span};

use super::{PreparedCall, attempt, audience::Audience, started::StartedCall};
use crate::{error::CallError, id::InstanceId, metrics::EndStatus};

/// A broadcast to all linked instances that waits for no answer. Nothing happens until it is awaited.
///
/// It goes to the instances that are linked when it is awaited. While the budget of a link is used up, it waits, until
/// the deadline. An error means that nothing was sent.
#[must_use = "a call does nothing until it is awaited"]
pub struct BroadcastCall {
    prepared: PreparedCall,
    audience: Audience,
}

/// Which instances a broadcast was sent to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sent {
    /// The instances whose links have accepted it.
    pub to: Vec<InstanceId>,
    /// The instances whose links did not accept it, and why.
    pub failed: Vec<(InstanceId, CallError)>,
}

impl BroadcastCall {
    pub(super) fn new(prepared: PreparedCall) -> Self {
        Self {
            prepared,
            audience: Audience::default(),
        }
    }

    /// How long to wait for the budget of a link, counted from the await. Default: the command's `#[timeout]`, or 3 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.prepared.set_timeout(timeout);
        self
    }

    /// Sends a text along with the call, which the handler gets by [`Context::meta`](crate::Context::meta), in place of an
    /// earlier one with the same key. See [`Metadata`](crate::Metadata) for its limits.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.prepared.set_meta(key.into(), value.into());
        self
    }

    /// Makes the call a part of the trace that this `traceparent` names, as the header of an HTTP request does. A text that
    /// is none is ignored, as W3C's [Trace Context](https://www.w3.org/TR/trace-context/) asks for.
    pub fn traceparent(mut self, traceparent: &str) -> Self {
        self.prepared.set_traceparent(traceparent);
        self
    }

    /// Sends to these instances only. An empty list means no instance.
    pub fn only(mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self {
        self.audience.only(instances);
        self
    }

    /// Sends to all but these instances.
    pub fn except(mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self {
        self.audience.except(instances);
        self
    }

    /// Tells one instance, and no other.
    ///
    /// # Errors
    /// The call returns [`CallError::NoPeer`] if that instance is not linked.
    pub fn to(mut self, instance: impl Into<InstanceId>) -> Self {
        self.audience.to(instance.into());
        self
    }

    /// Fails, and sends nothing, if fewer than this many instances are linked, of those that are meant. Default 0.
    /// [`Sent::to`] tells which of their links have accepted it.
    ///
    /// # Errors
    /// The call returns [`CallError::NoPeer`] if no instance is linked at all, otherwise [`CallError::TooFewPeers`].
    pub fn at_least(mut self, instances: usize) -> Self {
        self.audience.at_least(instances);
        self
    }

    /// If too few instances are linked, waits for more, until the deadline: for as many as
    /// [`at_least`](Self::at_least) says, or for one.
    pub fn wait_for_peer(mut self) -> Self {
        self.audience.wait();
        self
    }
}

impl IntoFuture for BroadcastCall {
    type Output = Result<Sent, CallError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(broadcast(self))
    }
}

async fn broadcast(call: BroadcastCall) -> Result<Sent, CallError> {
    let started = call.prepared.start();
    let span = started.span().unwrap_or_else(Span::none);
    let result = sent(&call, &started).instrument(span).await;
    started.end(result, EndStatus::Ok)
}

async fn sent(call: &BroadcastCall, started: &StartedCall<'_>) -> Result<Sent, CallError> {
    started.check()?;
    let callee = &call.prepared.callee;
    let instances = call.audience.instances(callee, started).await?;
    let links = instances.iter().map(|to| &*to.instance.link);
    let told = join_all(links.clone().map(|link| attempt::tell(started, link))).await;
    let mut sent = Sent {
        to: Vec::new(),
        failed: Vec::new(),
    };
    for (link, told) in links.zip(told) {
        let instance = link.peer.id.instance.clone();
        match told {
            Ok(()) => sent.to.push(instance),
            Err(error) => sent.failed.push((instance, error)),
        }
    }
    Ok(sent)
}
