//! Waiting for peers.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::core::NodeCore;
use crate::schema::NodeSpec;

/// How long to wait by default.
const DEFAULT: Duration = Duration::from_secs(10);

/// Waits for linked instances of a node type. An instance counts if it can serve any of the calls that the schema lets this
/// node make. Cancel safe.
#[must_use = "does nothing until it is awaited"]
pub struct Ready {
    core: Arc<NodeCore>,
    spec: &'static NodeSpec,
    instances: usize,
    timeout: Duration,
}

/// Too few instances were linked in time.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{linked} of {wanted} instances of `{node_type}` were linked within {after:?}{}{}",
    others(*.incompatible),
    if *.registered { "" } else { "; this node is not registered with its master: is the address right, and do the keys match?" }
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

impl Ready {
    pub(crate) fn new(core: Arc<NodeCore>, spec: &'static NodeSpec, instances: usize) -> Self {
        Self {
            core,
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
}

impl IntoFuture for Ready {
    type Output = Result<(), NotReady>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let callee = self.core.local.callee(self.spec);
            // Those that serve calls of this node, and all.
            let count = || {
                let links = callee.links();
                let serving = links.iter().filter(|link| link.peer.verdicts.serves_any());
                (serving.count(), links.len())
            };
            let enough = self.core.links_until(|_| count().0 >= self.instances);
            tokio::time::timeout(self.timeout, enough)
                .await
                .map_err(|_| {
                    let (linked, all) = count();
                    NotReady {
                        node_type: self.spec.name,
                        wanted: self.instances,
                        linked,
                        incompatible: all - linked,
                        after: self.timeout,
                        registered: self.core.is_registered(),
                    }
                })
        })
    }
}
