//! Waiting for peers.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::{callee::Callee, id::NodeId, local::LocalNode, schema::NodeSpec};

/// How long to wait by default.
const DEFAULT: Duration = Duration::from_secs(10);

/// Waits for linked instances of a node type. An instance counts if it can serve any of the calls that the schema lets this
/// node make. Cancel safe.
#[must_use = "does nothing until it is awaited"]
pub struct Ready {
    local: Arc<LocalNode>,
    spec: &'static NodeSpec,
    instances: usize,
    timeout: Duration,
}

/// Too few instances were linked in time. The text says what was in the way, as far as this node knows.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{linked} of {wanted} instances of `{node_type}` were linked within {after:?}{}{}",
    others(*.incompatible),
    listed(.obstacles)
)]
#[non_exhaustive]
pub struct NotReady {
    /// The node type.
    pub node_type: &'static str,
    /// How many were asked for.
    pub wanted: usize,
    /// How many are linked that can serve calls of this node.
    pub linked: usize,
    /// How many more are linked, but declare every command otherwise that this node may call.
    pub incompatible: usize,
    /// How long the wait lasted.
    pub after: Duration,
    /// Whether the master has this node in its registry.
    pub registered: bool,
    /// What was in the way, for people: why this node is not registered, or that no more instances are; and why
    /// instances that it dials cannot be reached.
    pub obstacles: Vec<String>,
}

fn others(incompatible: usize) -> String {
    match incompatible {
        0 => String::new(),
        _ => format!(
            "; {incompatible} more can serve none of the calls of this node, because they declare the commands \
             otherwise: which versions of the program run?"
        ),
    }
}

fn listed(obstacles: &[String]) -> String {
    let obstacles = obstacles.iter();
    obstacles.map(|obstacle| format!("; {obstacle}")).collect()
}

impl Ready {
    pub(crate) fn new(local: Arc<LocalNode>, spec: &'static NodeSpec, instances: usize) -> Self {
        Self {
            local,
            spec,
            instances,
            timeout: DEFAULT,
        }
    }

    /// How long to wait. Default 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn not_ready(&self, callee: &Callee, after: Duration) -> NotReady {
        let (linked, all) = count(callee);
        let membership = &self.local.membership;
        let registered = membership.is_registered();
        let links = callee.links();
        let is_linked = |peer: &NodeId| links.iter().any(|link| link.peer.id == *peer);
        let mut obstacles = membership.peer_obstacles(self.spec.name, is_linked);
        if self.local.is_draining() {
            obstacles = vec!["this node is shutting down".to_owned()];
        } else if let Some(why) = membership.master_obstacle() {
            obstacles.insert(0, format!("this node is not registered: {why}"));
        } else if !registered {
            obstacles.insert(0, "this node is not registered with its master".to_owned());
        } else if obstacles.is_empty() {
            obstacles.push(format!(
                "the master knows of no more instances of `{}` that this node is to dial: do they run, with the same \
                 master?",
                self.spec.name
            ));
        }
        NotReady {
            node_type: self.spec.name,
            wanted: self.instances,
            linked,
            incompatible: all - linked,
            after: after.min(self.timeout),
            registered,
            obstacles,
        }
    }
}

/// How many instances can serve calls of this node, and how many there are.
fn count(callee: &Callee) -> (usize, usize) {
    let links = callee.links();
    let serving = links.iter().filter(|link| link.peer.verdicts.serves_any());
    (serving.count(), links.len())
}

impl IntoFuture for Ready {
    type Output = Result<(), NotReady>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let callee = self.local.callee(self.spec);
            let enough = callee.until(|callee| count(callee).0 >= self.instances);
            let enough = tokio::time::timeout(self.timeout, enough);
            let began = Instant::now();
            let enough = tokio::select! {
                biased;
                enough = enough => enough.is_ok(),
                // It gets no more links.
                () = self.local.draining.cancelled() => false,
            };
            if enough {
                Ok(())
            } else {
                Err(self.not_ready(&callee, began.elapsed()))
            }
        })
    }
}
