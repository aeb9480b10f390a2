//! The state that all sessions of one master share.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::{
    registry::{NodeInfo, Registry},
    session::{NodeSession, NodeSessionRef, send_notices},
};
use crate::{
    close::{CloseCode, CloseReason},
    error::Refusal,
    id::{BootEpoch, InstanceId, NodeId},
    keys::DerivedKeys,
    link::{
        channel::{Channel, Receiver},
        gate::{Host, check_hello},
    },
    operator::{EventKind, EventLog, Operated, OperatorLinks},
    schema::{DescribedSchema, Schema},
    wire::hello::{FEATURES, Hello, SchemaDigest, Target, Welcome, role},
};

type Callback<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// The callbacks of a master.
#[derive(Default, Clone)]
pub(crate) struct MasterCallbacks {
    pub(crate) connected: Option<Callback<NodeId>>,
    pub(crate) registered: Option<Callback<NodeInfo>>,
}

/// The state of one master.
pub(crate) struct MasterCore {
    pub(crate) epoch: BootEpoch,
    pub(crate) connections: TaskTracker,
    pub(super) instance: InstanceId,
    pub(super) schema: &'static Schema,
    keys: Arc<DerivedKeys>,
    registry: Mutex<Registry<NodeSessionRef>>,
    sessions: Mutex<Vec<NodeSessionRef>>,
    callbacks: tokio::sync::mpsc::Sender<MasterEvent>,
    /// How many nodes are registered.
    count: watch::Sender<usize>,
    /// The links of operators and observers.
    pub(super) operators: OperatorLinks,
    /// The schema for operators, made when the first of them asks.
    pub(super) described: DescribedSchema,
    /// The last events, for operators.
    pub(super) events: Arc<EventLog>,
    pub(super) closed: AtomicBool,
    this: Weak<MasterCore>,
}

/// An event for which a callback is called.
pub(crate) enum MasterEvent {
    Connected(NodeId),
    Registered(NodeInfo),
}

impl MasterCore {
    pub(crate) fn new(
        schema: &'static Schema,
        keys: Arc<DerivedKeys>,
        callbacks: tokio::sync::mpsc::Sender<MasterEvent>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            epoch: BootEpoch::now(),
            connections: TaskTracker::new(),
            instance: InstanceId::random(),
            schema,
            keys,
            registry: Mutex::new(Registry::new(schema)),
            sessions: Mutex::default(),
            callbacks,
            count: watch::Sender::new(0),
            operators: OperatorLinks::new(Weak::<Self>::clone(this) as Weak<dyn Operated>),
            described: DescribedSchema::new(schema),
            events: Arc::new(EventLog::new()),
            closed: AtomicBool::new(false),
            this: this.clone(),
        })
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry<NodeSessionRef>> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<NodeSessionRef>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches how many nodes are registered.
    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// Called when a node is authenticated.
    pub(crate) fn on_proven(&self, node: &NodeId, session: NodeSessionRef) {
        tracing::debug!(%node, "a node is connected");
        self.sessions().push(session);
        self.tell(MasterEvent::Connected(node.clone()));
    }

    /// Called under the registry's lock when a node is added to it, so that the events are in the order of the changes.
    pub(crate) fn note_up(&self, node: &NodeId) {
        self.events
            .add(EventKind::NodeUp, Some(node.into()), None, None);
    }

    /// Called when a node has been added to the registry.
    pub(crate) fn on_registered(&self, info: &NodeInfo) {
        tracing::info!(node = %info.id, host = info.host, port = info.port, "registered");
        self.recount();
        self.tell(MasterEvent::Registered(info.clone()));
    }

    /// Called when a connection has closed.
    pub(crate) fn on_gone(&self, node: &NodeId, session: &NodeSessionRef, reason: &CloseReason) {
        self.sessions().retain(|other| other != session);
        let mut registry = self.registry();
        let Some(notices) = registry.leave(node, session) else {
            if reason.is_fault() {
                tracing::warn!(claimed = %node, %reason, "a connection ended before it was registered");
            }
            return;
        };
        send_notices(self.epoch, notices);
        // Under the lock, so that the events are in the order of the changes.
        let why = Some(reason.to_string());
        self.events
            .add(EventKind::NodeDown, Some(node.into()), None, why);
        drop(registry);
        if reason.is_fault() {
            tracing::warn!(%node, %reason, "a node is gone");
        } else {
            tracing::info!(%node, %reason, "a node is gone");
        }
        self.recount();
    }

    /// Closes the connection to every node and operator.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.operators.close();
        let sessions = std::mem::take(&mut *self.sessions());
        for session in sessions {
            session.close(CloseCode::ShuttingDown);
        }
    }

    fn recount(&self) {
        let nodes = self.registry().len();
        self.count.send_replace(nodes);
    }

    fn tell(&self, happened: MasterEvent) {
        // If the callbacks are too slow, they miss events. A closed channel means that nobody receives any more.
        if let Err(tokio::sync::mpsc::error::TrySendError::Full(_)) =
            self.callbacks.try_send(happened)
        {
            tracing::warn!("callbacks are too slow and have missed an event");
        }
    }
}

impl Host for MasterCore {
    fn keys(&self) -> &DerivedKeys {
        &self.keys
    }

    fn authorize(&self, hello: &Hello) -> Result<Welcome, Refusal> {
        check_hello(hello, self.schema, &Target::Master)?;
        Ok(Welcome {
            role: role::MASTER,
            node_type: String::new(),
            instance: self.instance.clone(),
            epoch: self.epoch,
            schema: SchemaDigest {
                fingerprint: self.schema.fingerprint(),
                commands: Vec::new(),
            },
            features: FEATURES,
            extensions: Bytes::new(),
        })
    }

    fn receiver(&self, hello: Hello, from: SocketAddr, channel: Channel) -> Arc<dyn Receiver> {
        if hello.is_operator() {
            return self.operators.link(hello, from, channel, None);
        }
        let node = NodeId::new(hello.node_type, hello.instance);
        NodeSession::new(node, hello.epoch, from, channel, self.this.clone())
    }

    fn refused(&self, from: SocketAddr, refusal: Refusal) {
        tracing::warn!(%from, %refusal, "refused a node");
    }
}
