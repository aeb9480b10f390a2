//! What all parts of one node share: the local node, its links, its keys, whether it is registered, and what it serves.

use std::{
    hash::Hasher,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use fnv::FnvHasher;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    config::Config,
    events::{Event, EventSender},
};
use crate::{
    changes::Changes,
    close::{CloseCode, CloseReason},
    error::{Refusal, RunError},
    id::{BootEpoch, NodeId},
    keys::DerivedKeys,
    link::{
        channel::{Channel, Receiver},
        gate::{Host, check_hello},
        link::{Link, LinkHost, Peer, Role},
        serving::{CallReply, ReceivedPayload, TellPermit},
        table::{Admission, Standing, Table},
    },
    local::LocalNode,
    metrics::Metrics,
    operator::{Operated, OperatorLinks},
    queue::NodeQueues,
    schema::{DescribedSchema, Fingerprints, NodeSpec, Schema},
    serve::Dispatcher,
    verdict::{Ends, Verdicts},
    wire::hello::{FEATURES, Hello, SchemaDigest, Target, Welcome, role},
};

/// How long a link stays open after it was replaced by one that was dialled in the opposite direction, so that the
/// calls on it can end.
const RETIREMENT: Duration = Duration::from_secs(3);

/// The state of one node.
pub(crate) struct NodeCore {
    /// The part of the node that its calls and handlers see.
    pub(crate) local: Arc<LocalNode>,
    pub(crate) epoch: BootEpoch,
    pub(crate) schema: &'static Schema,
    fingerprints: Fingerprints,
    pub(crate) config: Config,
    pub(crate) keys: Arc<DerivedKeys>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) queues: NodeQueues,
    pub(crate) events: EventSender,
    /// The tasks that own connections.
    pub(crate) connections: TaskTracker,
    /// Cancelled when a newer node with the same id has replaced this one.
    pub(crate) replaced: CancellationToken,
    /// Why this node can no longer do its work.
    given_up: watch::Sender<Option<(Option<String>, Refusal)>>,
    /// Cancelled when an operator asks this node to shut down.
    pub(crate) drain_asked: CancellationToken,
    /// The links of operators and observers.
    pub(crate) operators: OperatorLinks,
    /// The schema for operators, made when the first of them asks.
    pub(super) described: DescribedSchema,
    table: Mutex<Table<LinkEntry>>,
    /// Notified whenever the table has changed.
    changed: Changes,
    this: Weak<NodeCore>,
}

/// What a new core is built from.
pub(crate) struct Parts {
    pub(crate) local: Arc<LocalNode>,
    pub(crate) schema: &'static Schema,
    pub(crate) fingerprints: Fingerprints,
    pub(crate) config: Config,
    pub(crate) keys: Arc<DerivedKeys>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) queues: NodeQueues,
    pub(crate) events: EventSender,
}

#[derive(Clone)]
struct LinkEntry(Arc<Link>);

impl PartialEq for LinkEntry {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl NodeCore {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            local,
            schema,
            fingerprints,
            config,
            keys,
            dispatcher,
            queues,
            events,
        } = parts;
        Arc::new_cyclic(|this| Self {
            epoch: BootEpoch::now(),
            schema,
            fingerprints,
            config,
            keys,
            dispatcher,
            queues,
            events,
            connections: TaskTracker::new(),
            replaced: CancellationToken::new(),
            given_up: watch::Sender::new(None),
            drain_asked: CancellationToken::new(),
            operators: OperatorLinks::new(Weak::<Self>::clone(this) as Weak<dyn Operated>),
            described: DescribedSchema::new(schema),
            table: Mutex::new(Table::new(local.id.clone())),
            changed: Changes::new(),
            this: this.clone(),
            local,
        })
    }

    /// This node's type, as in the schema.
    pub(crate) fn spec(&self) -> Option<&'static NodeSpec> {
        self.schema.node(&self.local.id.node_type)
    }

    /// Whether there is a link to that node with this boot epoch or a later one.
    pub(crate) fn is_linked(&self, peer: &NodeId, epoch: BootEpoch) -> bool {
        self.table()
            .get(peer)
            .is_some_and(|entry| entry.0.peer.epoch >= epoch)
    }

    /// All links, in the order of instance ids.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.table()
            .iter()
            .map(|(_, entry)| Arc::clone(&entry.0))
            .collect()
    }

    /// The link to that node.
    pub(crate) fn link(&self, peer: &NodeId) -> Option<Arc<Link>> {
        self.table().get(peer).map(|entry| Arc::clone(&entry.0))
    }

    /// Waits until `done` returns true, which is checked whenever the links have changed. Cancel safe.
    pub(crate) async fn links_until(&self, mut done: impl FnMut(&Self) -> bool) {
        self.changed.until(|| done(self)).await;
    }

    /// This node can no longer do its work, because of this refusal by whoever has that address. Whoever runs it until it
    /// is told to end learns why.
    pub(crate) fn give_up(&self, addr: Option<String>, refusal: Refusal) {
        self.given_up.send_if_modified(|given_up| {
            let first = given_up.is_none();
            if first {
                *given_up = Some((addr, refusal));
            }
            first
        });
    }

    /// Waits until this node can no longer do its work.
    pub(crate) async fn given_up(&self) -> RunError {
        let mut given_up = self.given_up.subscribe();
        let why = given_up.wait_for(Option::is_some).await;
        // The sender lives as long as this core.
        let (addr, refusal) = why
            .ok()
            .and_then(|why| Option::clone(&why))
            .unwrap_or((None, Refusal::ShuttingDown));
        RunError::Refused {
            node: self.local.id.clone(),
            addr,
            refusal,
        }
    }

    /// Stops accepting new calls, and tells every peer so.
    pub(crate) fn drain(&self) {
        self.local.draining.cancel();
        for link in self.links() {
            link.send_draining();
        }
    }

    /// A newer node with this id exists: this one stops dialling.
    pub(crate) fn on_replaced(&self) {
        if !self.replaced.is_cancelled() {
            tracing::error!(node = %self.local.id, "a newer node with the same instance id has taken this node's place");
            self.give_up(None, Refusal::Replaced);
            let why = Refusal::Replaced.to_string();
            self.local.membership.not_registered(why);
            self.replaced.cancel();
            self.events.tell(Event::Replaced);
        }
    }

    /// The hello with which this node begins a handshake.
    pub(crate) fn hello(&self, target: Target) -> Hello {
        Hello {
            mesh: self.schema.mesh.to_owned(),
            role: role::NODE,
            node_type: self.local.id.node_type.to_string(),
            instance: self.local.id.instance.clone(),
            epoch: self.epoch,
            target,
            schema: self.digest(),
            features: FEATURES,
            extensions: Bytes::new(),
        }
    }

    /// The answer to a hello.
    fn welcome(&self) -> Welcome {
        Welcome {
            role: role::NODE,
            node_type: self.local.id.node_type.to_string(),
            instance: self.local.id.instance.clone(),
            epoch: self.epoch,
            schema: self.digest(),
            features: FEATURES,
            extensions: Bytes::new(),
        }
    }

    /// Creates a link from what the other side says about itself in the handshake.
    pub(crate) fn link_to(
        &self,
        id: NodeId,
        epoch: BootEpoch,
        digest: &SchemaDigest,
        addr: String,
        role: Role,
        channel: Channel,
    ) -> Arc<Link> {
        let verdicts = Verdicts::new(&Ends {
            schema: self.schema,
            own: &self.local.id.node_type,
            peer: &id.node_type,
            known: self.fingerprints.of(&id.node_type),
            declared: &digest.commands,
        });
        self.warn_of_incompatible(&id, &verdicts);
        let peer = Peer {
            id,
            epoch,
            addr,
            verdicts,
        };
        let host: Weak<dyn LinkHost> = self.this.clone();
        Link::new(peer, role, channel, self.config.grant, host)
    }

    /// Names the commands that this node may call, and that the peer cannot serve.
    fn warn_of_incompatible(&self, peer: &NodeId, verdicts: &Verdicts) {
        let Some(spec) = self.schema.node(&peer.node_type) else {
            return;
        };
        let Some(commands) = verdicts.incompatible_names(spec) else {
            return;
        };
        tracing::warn!(
            node = %self.local.id,
            %peer,
            commands,
            "the peer declares commands otherwise, or not at all: calls of them go to other instances, or fail as \
             incompatible"
        );
    }

    /// What this node declares about its own commands.
    fn digest(&self) -> SchemaDigest {
        SchemaDigest {
            fingerprint: self.schema.fingerprint(),
            commands: self.fingerprints.of(&self.local.id.node_type).to_vec(),
        }
    }

    /// A hash of what this node declares about its own commands.
    pub(super) fn commands_fingerprint(&self) -> u64 {
        let mut hash = FnvHasher::default();
        let mut commands = self.fingerprints.of(&self.local.id.node_type).to_vec();
        commands.sort_unstable();
        for (id, fingerprint) in commands {
            hash.write(&id.to_le_bytes());
            hash.write(&fingerprint.to_le_bytes());
        }
        hash.finish()
    }

    /// What this node has counted.
    pub(crate) fn metrics(&self) -> Metrics {
        let served = self.dispatcher.metrics();
        let mut commands: Vec<_> = self.local.call_metrics().chain(served).collect();
        commands.sort_by(|one, other| {
            let types = one.node_type.cmp(&other.node_type);
            let names = types.then_with(|| one.command.cmp(&other.command));
            names.then_with(|| one.direction.cmp(&other.direction))
        });
        Metrics { commands }
    }

    fn table(&self) -> MutexGuard<'_, Table<LinkEntry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Updates the links that callers of this node type choose from.
    ///
    /// The event is told in the order in which links come and go.
    fn update_callee(
        &self,
        table: MutexGuard<'_, Table<LinkEntry>>,
        node_type: &str,
        event: Option<Event>,
    ) {
        let callee = self.local.callee_named(node_type);
        let links = table
            .iter()
            .filter(|(peer, entry)| &*peer.node_type == node_type && entry.0.is_usable())
            .map(|(_, entry)| Arc::clone(&entry.0))
            .collect();
        if let Some(callee) = callee {
            callee.set_links(links);
        }
        if let Some(event) = event {
            self.events.tell(event);
        }
        drop(table);
        if let Some(callee) = callee {
            callee.tell();
        }
        self.changed.tell();
    }
}

impl LinkHost for NodeCore {
    fn admit(&self, link: &Arc<Link>) -> Result<(), CloseCode> {
        if self.local.is_closed() {
            return Err(CloseCode::ShuttingDown);
        }
        let standing = Standing {
            epoch: link.peer.epoch,
            role: link.role,
        };
        let mut table = self.table();
        if link.is_closed() {
            // It would stay: its loss has been noted already, or is noted once the table is free.
            return Err(CloseCode::ShuttingDown);
        }
        let admission = table.admit(&link.peer.id, standing, LinkEntry(Arc::clone(link)));
        drop(table);
        match admission {
            Admission::First => Ok(()),
            Admission::Refused(reason) => Err(reason),
            Admission::Replaces(old, reason) if old.0.role != link.role => {
                tokio::spawn(retire(old.0, reason));
                Ok(())
            }
            Admission::Replaces(old, reason) => {
                old.0.close(reason);
                Ok(())
            }
        }
    }

    fn opened(&self, link: &Arc<Link>) {
        let table = self.table();
        if table.get(&link.peer.id) != Some(&LinkEntry(Arc::clone(link))) {
            // The link was lost or replaced while it was being opened.
            return;
        }
        let up = Event::LinkUp {
            peer: link.peer.id.clone(),
        };
        self.update_callee(table, &link.peer.id.node_type, Some(up));
        self.local.membership.settled(&link.peer.id);
        tracing::info!(node = %self.local.id, peer = %link.peer.id, "linked");
        if self.local.is_draining() {
            link.send_draining();
        }
    }

    fn call(&self, command: u32, args: ReceivedPayload, reply: CallReply) {
        self.dispatcher.call(command, args, reply);
    }

    fn tell(&self, command: u32, args: ReceivedPayload, permit: TellPermit) {
        self.dispatcher.tell(command, args, permit);
    }

    fn draining(&self, link: &Arc<Link>) {
        tracing::info!(node = %self.local.id, peer = %link.peer.id, "the peer is draining");
        self.update_callee(self.table(), &link.peer.id.node_type, None);
    }

    fn lost(&self, link: &Arc<Link>, reason: &CloseReason) {
        if matches!(reason, CloseReason::Goodbye(CloseCode::Replaced)) {
            self.on_replaced();
        }
        let mut table = self.table();
        if !table.remove(&link.peer.id, &LinkEntry(Arc::clone(link))) {
            drop(table);
            if reason.is_fault() {
                tracing::warn!(node = %self.local.id, from = link.peer.addr, claimed = %link.peer.id, %reason, "a connection ended before it was a link");
            }
            return;
        }
        let down = Event::LinkDown {
            peer: link.peer.id.clone(),
            reason: reason.clone(),
        };
        self.update_callee(table, &link.peer.id.node_type, Some(down));
        if reason.is_fault() {
            tracing::warn!(node = %self.local.id, peer = %link.peer.id, %reason, "the link is gone");
        } else {
            tracing::info!(node = %self.local.id, peer = %link.peer.id, %reason, "the link is gone");
        }
    }
}

async fn retire(link: Arc<Link>, reason: CloseCode) {
    tokio::select! {
        () = link.closed() => {}
        () = tokio::time::sleep(RETIREMENT) => link.close(reason),
    }
}

impl Host for NodeCore {
    fn keys(&self) -> &DerivedKeys {
        &self.keys
    }

    fn authorize(&self, hello: &Hello) -> Result<Welcome, Refusal> {
        check_hello(hello, self.schema, &Target::Node(self.local.id.clone()))?;
        if hello.is_operator() {
            return Ok(self.welcome());
        }
        if !self
            .schema
            .may_link(&hello.node_type, &self.local.id.node_type)
        {
            return Err(Refusal::NotAllowed);
        }
        if *hello.node_type == *self.local.id.node_type && hello.instance == self.local.id.instance
        {
            return Err(Refusal::Duplicate);
        }
        if self.local.is_draining() {
            return Err(Refusal::ShuttingDown);
        }
        Ok(self.welcome())
    }

    fn receiver(&self, hello: Hello, from: SocketAddr, channel: Channel) -> Arc<dyn Receiver> {
        if hello.is_operator() {
            return self.operators.link(hello, from, channel, self.spec());
        }
        let id = NodeId::new(hello.node_type, hello.instance);
        self.link_to(
            id,
            hello.epoch,
            &hello.schema,
            from.to_string(),
            Role::Accepted,
            channel,
        )
    }

    fn refused(&self, from: SocketAddr, refusal: Refusal) {
        // Only logged: an unauthenticated peer, or one that replays a recorded handshake, must not cause an event.
        tracing::warn!(node = %self.local.id, %from, %refusal, "refused a link");
    }
}
