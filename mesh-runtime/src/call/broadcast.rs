//! Telling all instances something, without an answer.

use std::{future::IntoFuture, time::Duration};

use futures_util::future::{BoxFuture, join_all};

use super::{PreparedCall, attempt, gather::Audience};
use crate::{error::CallError, id::InstanceId};

/// Tells all linked instances something and does not wait for what they do. Nothing happens until it is awaited.
///
/// The membership at the await decides. Waits while a link has no room, until the deadline. An error means that
/// nothing was sent.
#[must_use = "a call does nothing until it is awaited"]
pub struct BroadcastCall {
    prepared: PreparedCall,
    audience: Audience,
}

/// To whom a broadcast was handed over.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sent {
    /// The instances whose links have it.
    pub to: Vec<InstanceId>,
    /// The instances whose links did not take it, and why.
    pub failed: Vec<(InstanceId, CallError)>,
}

impl BroadcastCall {
    pub(super) fn new(prepared: PreparedCall) -> Self {
        Self {
            prepared,
            audience: Audience::default(),
        }
    }

    /// How long a link may take to have room, counted from the await. Default: the command's `#[timeout]`, or 3 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.prepared.set_timeout(timeout);
        self
    }

    /// Tells only these instances. An empty list is nobody.
    pub fn only(mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self {
        self.audience.only(instances);
        self
    }

    /// Tells all but these instances.
    pub fn except(mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self {
        self.audience.except(instances);
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
    let started = call.prepared.start()?;
    let links = call.audience.links(&call.prepared.callee);
    let told = join_all(links.iter().map(|link| attempt::tell(&started, link))).await;
    let mut sent = Sent {
        to: Vec::new(),
        failed: Vec::new(),
    };
    for (link, told) in links.iter().zip(told) {
        let instance = link.peer.id.instance.clone();
        match told {
            Ok(()) => sent.to.push(instance),
            Err(error) => sent.failed.push((instance, error)),
        }
    }
    Ok(sent)
}
