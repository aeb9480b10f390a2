//! Waiting for peers.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::core::NodeCore;
use crate::schema::NodeSpec;

/// How long to wait by default.
const DEFAULT: Duration = Duration::from_secs(10);

/// Waits for linked instances of a node type. Cancel safe.
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
    "{linked} of {wanted} instances of `{node_type}` were linked within {after:?}{}",
    if *.registered { "" } else { "; this node is not registered with its master: is the address right, and do the keys match?" }
)]
#[non_exhaustive]
pub struct NotReady {
    /// The node type.
    pub node_type: &'static str,
    /// How many were asked for.
    pub wanted: usize,
    /// How many are linked.
    pub linked: usize,
    /// How long the wait lasted.
    pub after: Duration,
    /// Whether the master has this node in its registry.
    pub registered: bool,
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
            let enough = self
                .core
                .links_until(|_| callee.links().len() >= self.instances);
            tokio::time::timeout(self.timeout, enough)
                .await
                .map_err(|_| NotReady {
                    node_type: self.spec.name,
                    wanted: self.instances,
                    linked: callee.links().len(),
                    after: self.timeout,
                    registered: self.core.is_registered(),
                })
        })
    }
}
