//! Calls to all instances that gather every answer.

use std::{future::IntoFuture, time::Duration};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tracing::{Instrument, Span};

use super::{PreparedCall, attempt, audience::Audience, prepared::Decode, started::StartedCall};
use crate::{error::CallError, id::InstanceId, metrics::EndStatus};

/// A call to all linked instances, gathering their answers. Nothing happens until it is awaited.
///
/// It goes to the instances that are linked when it is awaited. At the deadline the result is `Ok` with the answers
/// that have arrived, and the other instances are [`missing`](Gather::missing). If no instance is linked, the result is
/// empty. An error means that nothing was sent. Dropping the future cancels the call on all instances.
#[must_use = "a call does nothing until it is awaited"]
pub struct GatherCall<T> {
    pub(super) prepared: PreparedCall,
    audience: Audience,
    first: usize,
    decode: Decode<T>,
}

impl<T> GatherCall<T> {
    pub(super) fn new(prepared: PreparedCall, decode: Decode<T>) -> Self {
        Self {
            prepared,
            audience: Audience::default(),
            first: usize::MAX,
            decode,
        }
    }

    /// The deadline of this call, counted from the await. Default: the command's `#[timeout]`, or 3 s.
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

    /// Calls only these instances. An empty list means no instance.
    pub fn only(mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self {
        self.audience.only(instances);
        self
    }

    /// Calls all but these instances.
    pub fn except(mut self, instances: impl IntoIterator<Item = impl Into<InstanceId>>) -> Self {
        self.audience.except(instances);
        self
    }

    /// Fails, and sends nothing, if fewer than this many instances are linked, of those that are meant. Default 0. How many
    /// of them then answer is another matter: see [`Gather::require_all`].
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

    /// Stops waiting after this many answers, and cancels the calls that are still open then.
    pub fn first(mut self, answers: usize) -> Self {
        self.first = answers;
        self
    }
}

impl<T: Send + 'static> IntoFuture for GatherCall<T> {
    type Output = Result<Gather<T>, CallError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(gather(self))
    }
}

async fn gather<T>(call: GatherCall<T>) -> Result<Gather<T>, CallError> {
    let started = call.prepared.start();
    let span = started.span().unwrap_or_else(Span::none);
    let result = gathered(&call, &started).instrument(span).await;
    started.end(result, EndStatus::Ok)
}

async fn gathered<T>(
    call: &GatherCall<T>,
    started: &StartedCall<'_>,
) -> Result<Gather<T>, CallError> {
    started.check()?;
    let callee = &call.prepared.callee;
    let instances = call.audience.instances(callee, started).await?;
    let mut outcomes: Vec<(InstanceId, Outcome<T>)> = instances
        .iter()
        .map(|to| (to.instance.link.peer.id.instance.clone(), Outcome::Missing))
        .collect();
    let mut open = FuturesUnordered::new();
    for (place, to) in instances.iter().enumerate() {
        let attempt = attempt::call(started, 1, to);
        open.push(async move { (place, attempt.await) });
    }
    let mut wanted = call.first;
    while wanted > 0 {
        let Some((place, reply)) = open.next().await else {
            break;
        };
        let value = reply.and_then(|reply| call.prepared.decode(&reply, call.decode));
        outcomes[place].1 = match value {
            Ok(value) => {
                wanted -= 1;
                Outcome::Answered(value)
            }
            // Either side may be the first to see that the deadline has passed.
            Err(CallError::DeadlineExceeded { .. }) => Outcome::Missing,
            Err(error) => Outcome::Failed(error),
        };
    }
    Ok(Gather { outcomes })
}

/// How a gather ended for one instance.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outcome<T> {
    /// It answered.
    Answered(T),
    /// The call failed: on the instance, or on the way there or back.
    Failed(CallError),
    /// It had not answered when the call ended: at the deadline, or when enough other instances had answered.
    Missing,
}

/// One [`Outcome`] for each instance that was linked when the call began, in the order of instance ids.
#[derive(Debug, Clone)]
pub struct Gather<T> {
    outcomes: Vec<(InstanceId, Outcome<T>)>,
}

impl<T> Gather<T> {
    /// The answers.
    ///
    /// ```
    /// # fn total(open: &mesh_runtime::Gather<u64>) -> u64 {
    /// open.values().sum()
    /// # }
    /// ```
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.answers().map(|(_, answer)| answer)
    }

    /// The answers, each with the instance that gave it.
    pub fn answers(&self) -> impl Iterator<Item = (&InstanceId, &T)> {
        self.outcomes
            .iter()
            .filter_map(|(instance, outcome)| match outcome {
                Outcome::Answered(answer) => Some((instance, answer)),
                _ => None,
            })
    }

    /// The instances that failed, and why.
    pub fn errors(&self) -> impl Iterator<Item = (&InstanceId, &CallError)> {
        self.outcomes
            .iter()
            .filter_map(|(instance, outcome)| match outcome {
                Outcome::Failed(error) => Some((instance, error)),
                _ => None,
            })
    }

    /// The instances that had not answered when the call ended.
    pub fn missing(&self) -> impl Iterator<Item = &InstanceId> {
        self.outcomes
            .iter()
            .filter_map(|(instance, outcome)| match outcome {
                Outcome::Missing => Some(instance),
                _ => None,
            })
    }

    /// All answers, or an error if any instance failed or is missing.
    pub fn require_all(self) -> Result<Vec<T>, Incomplete> {
        let asked = self.outcomes.len();
        let mut answers = Vec::with_capacity(asked);
        let (mut failed, mut missing) = (Vec::new(), Vec::new());
        for (instance, outcome) in self.outcomes {
            match outcome {
                Outcome::Answered(answer) => answers.push(answer),
                Outcome::Failed(error) => failed.push((instance, error)),
                Outcome::Missing => missing.push(instance),
            }
        }
        if failed.is_empty() && missing.is_empty() {
            Ok(answers)
        } else {
            Err(Incomplete {
                asked,
                failed,
                missing,
            })
        }
    }

    /// How many instances were asked.
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether no instance was asked.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    /// Each instance and its outcome.
    pub fn iter(&self) -> impl Iterator<Item = (&InstanceId, &Outcome<T>)> {
        self.outcomes
            .iter()
            .map(|(instance, outcome)| (instance, outcome))
    }
}

impl<T> IntoIterator for Gather<T> {
    type Item = (InstanceId, Outcome<T>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.outcomes.into_iter()
    }
}

/// Not every instance answered.
#[derive(Debug, Clone, thiserror::Error)]
#[error("of {asked} instances, {} failed and {} did not answer in time", failed.len(), missing.len())]
#[non_exhaustive]
pub struct Incomplete {
    /// How many instances were asked.
    pub asked: usize,
    /// Those that failed, and why.
    pub failed: Vec<(InstanceId, CallError)>,
    /// Those that did not answer in time.
    pub missing: Vec<InstanceId>,
}
