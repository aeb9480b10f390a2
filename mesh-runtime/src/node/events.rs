//! The events that a node reports about its links and its master.

use std::{sync::Arc, time::Duration};

use tokio::sync::broadcast;

use crate::{
    callee::{CalleeObserver, Notice},
    close::CloseReason,
    error::Refusal,
    id::NodeId,
    operator::{EventKind, EventLog},
};

/// How many events a slow listener may lag behind before it misses some.
const BACKLOG: usize = 1024;

/// Something that happened to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The master has this node in its registry.
    Registered,
    /// The connection to the master is lost. The links stay open, and the node registers again by itself.
    MasterLost {
        /// What happened to the connection.
        reason: String,
    },
    /// A link is up.
    LinkUp {
        /// The other end.
        peer: NodeId,
    },
    /// A link is gone.
    LinkDown {
        /// The other end.
        peer: NodeId,
        /// Why.
        reason: CloseReason,
    },
    /// A peer or the master has refused this node. Peers that this node refuses are only logged.
    Refused {
        /// The address of the other side.
        addr: String,
        /// Why.
        refusal: Refusal,
    },
    /// Calls to an instance failed five times in a row, or the one that followed its rest did: it gets no balanced calls
    /// for a while. Calls that name it, broadcasts and gathers go to it as before. [`InstanceBack`](Self::InstanceBack)
    /// ends it.
    InstanceRests {
        /// The instance.
        peer: NodeId,
        /// For how long: 5 s at first, and 60 s at most. Then one call decides.
        rest: Duration,
    },
    /// An instance that rested gets calls again: it has answered one after its rest, or others have left, so that more
    /// than half of the instances would rest. Also if it is forgotten, after 2 minutes without a link.
    InstanceBack {
        /// The instance.
        peer: NodeId,
    },
    /// Nothing was heard of an instance for 1 s although calls were in flight, and for 1 s more after it was pinged. Until
    /// it is heard, new balanced calls go to other instances, if there are any. [`InstanceHeard`](Self::InstanceHeard)
    /// ends it, or the [loss of the link](Self::LinkDown).
    InstanceSilent {
        /// The instance.
        peer: NodeId,
    },
    /// An instance that was silent is heard again.
    InstanceHeard {
        /// The instance.
        peer: NodeId,
    },
    /// A newer node with the same instance id has replaced this node, which stops dialling.
    Replaced,
    /// This listener was too slow and has missed that many events.
    Missed(u64),
}

/// Receives the events of a node that happen after this was created.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` once the node is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Sends the events of a node to all listeners.
#[derive(Debug, Clone)]
pub(crate) struct EventSender {
    listeners: broadcast::Sender<Event>,
    /// The last events, for operators.
    log: Arc<EventLog>,
}

impl EventSender {
    pub(crate) fn new() -> Self {
        Self {
            listeners: broadcast::Sender::new(BACKLOG),
            log: Arc::new(EventLog::new()),
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        log(&self.log, &event);
        // Nobody may be listening.
        let _ = self.listeners.send(event);
    }

    pub(crate) fn listen(&self) -> Events {
        Events(self.listeners.subscribe())
    }

    /// The last events.
    pub(crate) fn log(&self) -> Arc<EventLog> {
        Arc::clone(&self.log)
    }
}

impl CalleeObserver for EventSender {
    fn tell(&self, notice: Notice) {
        let event = match notice {
            Notice::Rests(peer, rest) => {
                tracing::warn!(%peer, ?rest, "calls to the instance fail one after the other: it gets none for a while");
                Event::InstanceRests { peer, rest }
            }
            Notice::Back(peer) => {
                tracing::info!(%peer, "the instance gets calls again");
                Event::InstanceBack { peer }
            }
            Notice::Silent(peer) => {
                tracing::warn!(%peer, "nothing is heard of the instance: new calls go to others");
                Event::InstanceSilent { peer }
            }
            Notice::Heard(peer) => {
                tracing::info!(%peer, "the instance is heard again");
                Event::InstanceHeard { peer }
            }
        };
        Self::tell(self, event);
    }
}

fn log(log: &EventLog, event: &Event) {
    match event {
        Event::Registered => log.add(EventKind::Registered, None, None, None),
        Event::MasterLost { reason } => {
            log.add(EventKind::MasterLost, None, None, Some(reason.clone()));
        }
        Event::LinkUp { peer } => log.add(EventKind::LinkUp, Some(peer.into()), None, None),
        Event::LinkDown { peer, reason } => {
            let reason = Some(reason.to_string());
            log.add(EventKind::LinkDown, Some(peer.into()), None, reason);
        }
        Event::Refused { addr, refusal } => {
            log.add(
                EventKind::Refused,
                None,
                Some(addr),
                Some(refusal.to_string()),
            );
        }
        Event::InstanceRests { peer, rest } => {
            let reason = Some(format!("for {rest:?}"));
            log.add(EventKind::InstanceRests, Some(peer.into()), None, reason);
        }
        Event::InstanceBack { peer } => {
            log.add(EventKind::InstanceBack, Some(peer.into()), None, None);
        }
        Event::InstanceSilent { peer } => {
            log.add(EventKind::InstanceSilent, Some(peer.into()), None, None);
        }
        Event::InstanceHeard { peer } => {
            log.add(EventKind::InstanceHeard, Some(peer.into()), None, None);
        }
        Event::Replaced => log.add(EventKind::Replaced, None, None, None),
        // Only listeners miss events.
        Event::Missed(_) => {}
    }
}

type OnLinkUp = Arc<dyn Fn(&NodeId) + Send + Sync>;
type OnLinkDown = Arc<dyn Fn(&NodeId, &CloseReason) + Send + Sync>;

/// The callbacks of a node. They run one after the other in a task of their own, so that they delay nothing else.
#[derive(Default, Clone)]
pub(crate) struct NodeCallbacks {
    pub(crate) registered: Option<Arc<dyn Fn() + Send + Sync>>,
    pub(crate) link_up: Option<OnLinkUp>,
    pub(crate) link_down: Option<OnLinkDown>,
}

impl NodeCallbacks {
    pub(crate) fn is_empty(&self) -> bool {
        self.registered.is_none() && self.link_up.is_none() && self.link_down.is_none()
    }

    /// Runs the callbacks until the node is gone.
    pub(crate) async fn run(self, mut events: Events) {
        while let Some(event) = events.next().await {
            match &event {
                Event::Registered => self.registered.iter().for_each(|call| call()),
                Event::LinkUp { peer } => self.link_up.iter().for_each(|call| call(peer)),
                Event::LinkDown { peer, reason } => {
                    self.link_down.iter().for_each(|call| call(peer, reason));
                }
                Event::Missed(missed) => {
                    tracing::warn!(missed, "callbacks are too slow and have missed events")
                }
                _ => {}
            }
        }
    }
}
