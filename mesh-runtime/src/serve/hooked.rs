//! What hooks are asked and told about one call or job that is served.

use std::sync::Arc;

use tokio::time::Instant;

use super::context::Origin;
use crate::{
    carried::Carried,
    hook::{Refused, Request, RequestEnd, RequestKind, RequestOutcome},
    id::{CommandName, NodeId},
    local::LocalNode,
    metadata::Metadata,
};

/// A call or job about which hooks are asked and told. If it is dropped before its [`end`](Self::end), they hear that
/// it was dropped.
pub(super) struct HookedRequest {
    local: Arc<LocalNode>,
    command: CommandName,
    kind: RequestKind,
    caller: Option<NodeId>,
    attempt: u32,
    size: usize,
    metadata: Metadata,
    /// Where the handler finds it.
    carried: Carried,
    /// How many hooks were asked.
    asked: usize,
    began: Instant,
}

impl HookedRequest {
    /// `None` if there are no hooks.
    pub(super) fn new(
        command: CommandName,
        kind: RequestKind,
        origin: &mut Origin,
        size: usize,
    ) -> Option<Self> {
        if origin.local.hooks.is_empty() {
            return None;
        }
        Some(Self {
            local: Arc::clone(&origin.local),
            command,
            kind,
            caller: origin.caller.as_ref().map(|caller| caller.node.clone()),
            attempt: origin.job.as_ref().map_or(1, |job| job.attempt),
            size,
            metadata: origin.carried.metadata().clone(),
            carried: origin.carried.shared(),
            asked: 0,
            began: Instant::now(),
        })
    }

    /// Asks the hooks whether it may be served.
    pub(super) async fn ask(&mut self) -> Result<(), Refused> {
        let mut request = Request {
            command: self.command,
            kind: self.kind,
            caller: self.caller.as_ref(),
            attempt: self.attempt,
            size: self.size,
            metadata: &mut self.metadata,
        };
        let hooks = &self.local.hooks;
        hooks.before_handler(&mut request, &mut self.asked).await?;
        if self.metadata == *self.carried.metadata() {
            return Ok(());
        }
        if let Err(error) = self.metadata.check() {
            let why = format!("the metadata that hooks have added: {error}");
            return Err(Refused::new(Refused::METADATA, why));
        }
        self.carried.add(self.metadata.clone());
        Ok(())
    }

    /// Tells those that were asked how it ended.
    pub(super) fn end(&mut self, outcome: RequestOutcome<'_>) {
        let asked = std::mem::take(&mut self.asked);
        if asked == 0 {
            return;
        }
        let end = RequestEnd {
            command: self.command,
            kind: self.kind,
            caller: self.caller.as_ref(),
            attempt: self.attempt,
            size: self.size,
            metadata: &self.metadata,
            outcome,
            duration: self.began.elapsed(),
        };
        self.local.hooks.after_handler(&end, asked);
    }
}

impl Drop for HookedRequest {
    fn drop(&mut self) {
        self.end(RequestOutcome::Dropped);
    }
}
