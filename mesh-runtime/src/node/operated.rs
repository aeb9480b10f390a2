//! What a node has to show to operators.

use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};

use super::core::NodeCore;
use crate::{
    callee::InstanceHealth,
    link::{
        link::{Link, Role},
        serving::{CallReply, ReceivedPayload, TellPermit},
    },
    metrics::Metrics,
    millis,
    operator::{
        EventLog, Health, HealthStatus, LinkState, Links, Member, Operated, QueueCounts, Stats,
        Unavailable,
    },
    queue::UntypedQueue,
    schema::DescribedSchema,
};

impl Operated for NodeCore {
    fn member(&self) -> Member {
        Member::from(&self.local.id)
    }

    fn schema(&self) -> &DescribedSchema {
        &self.described
    }

    fn stats(&self) -> BoxFuture<'static, Stats> {
        let mut stats = Stats {
            links: self.links().len(),
            operators: self.operators.len(),
            calls: self.local.calls.len(),
            handlers: self.local.handlers.len(),
            queues: Vec::new(),
        };
        let queues = self.dispatcher.queued();
        let queues = queues.filter_map(|served| served.queue.clone());
        let queues: Vec<_> = queues.map(QueueCounts::of).collect();
        Box::pin(async move {
            stats.queues = join_all(queues).await;
            stats
        })
    }

    fn links(&self) -> Links {
        let links = NodeCore::links(self);
        Links {
            links: links
                .iter()
                .map(|link| state(link, self.local.health_of(link)))
                .collect(),
        }
    }

    fn health(&self) -> Health {
        let status = if self.replaced.is_cancelled() {
            HealthStatus::Replaced
        } else if self.local.is_draining() {
            HealthStatus::Draining
        } else {
            HealthStatus::Ok
        };
        let links_to = self.spec().map_or(&[][..], |spec| spec.links_to);
        let unlinked = links_to.iter().filter(|node_type| {
            let callee = self.local.callee_named(node_type);
            callee.is_some_and(|callee| callee.links().is_empty())
        });
        Health {
            status,
            registered: Some(self.local.membership.is_registered()),
            unlinked: unlinked.map(|node_type| (*node_type).to_owned()).collect(),
            schema: self.schema.fingerprint(),
            commands: self.commands_fingerprint(),
            ..Health::default()
        }
    }

    fn metrics(&self) -> Metrics {
        NodeCore::metrics(self)
    }

    fn operators(&self) -> usize {
        self.operators.len()
    }

    fn own_check(&self) -> bool {
        self.config.ready_check.passes()
    }

    fn events(&self) -> Arc<EventLog> {
        self.events.log()
    }

    fn started_ms(&self) -> u64 {
        self.epoch.started_ms
    }

    fn drain(&self) -> Result<(), Unavailable> {
        tracing::info!(node = %self.local.id, "an operator drains this node");
        self.drain_asked.cancel();
        Ok(())
    }

    fn queue(&self, command: &str) -> Result<UntypedQueue, Unavailable> {
        let mut queued = self.dispatcher.queued();
        let found = queued.find(|served| served.spec.name == command);
        found
            .and_then(|served| served.queue.clone())
            .ok_or_else(|| {
                let node_type = &self.local.id.node_type;
                Unavailable(format!("{node_type} has no queued command {command:?}"))
            })
    }

    fn is_closed(&self) -> bool {
        self.local.is_closed()
    }

    fn call(&self, command: u32, args: ReceivedPayload, reply: CallReply) {
        self.dispatcher.call(command, args, reply);
    }

    fn tell(&self, command: u32, args: ReceivedPayload, permit: TellPermit) {
        self.dispatcher.tell(command, args, permit);
    }
}

fn state(link: &Arc<Link>, health: InstanceHealth) -> LinkState {
    LinkState {
        peer: Member::from(&link.peer.id),
        addr: link.peer.addr.clone(),
        dialled: Some(link.role == Role::Dialled),
        started_ms: link.peer.epoch.started_ms,
        draining: !link.is_usable(),
        in_flight: link.load(),
        rests_ms: health.rests_for.map(millis::of),
        silent: health.silent,
    }
}
