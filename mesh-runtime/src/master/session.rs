//! One node's connection to the master. It registers the node, sends the node its view and each change, and removes the
//! node from the registry when the connection closes.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    core::MasterCore,
    registry::{Joined, NodeInfo, Notice},
};
use crate::{
    close::{CloseCode, CloseReason},
    id::{BootEpoch, NodeId},
    link::channel::{Channel, Receiver},
    wire::{
        control::{self, MAX_HOST, PEERS_PER_PART, ToMaster, ToNode},
        frame::Frame,
    },
};

/// A connection of a node to the master. Equal only to itself.
#[derive(Clone)]
pub(crate) struct NodeSessionRef(Arc<NodeSession>);

impl PartialEq for NodeSessionRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

pub(crate) struct NodeSession {
    node: NodeId,
    epoch: BootEpoch,
    from: IpAddr,
    channel: Channel,
    /// The stage of the session: see [`Stage`].
    stage: AtomicU64,
    core: Weak<MasterCore>,
    this: Weak<NodeSession>,
}

/// The stages of a session, in order.
struct Stage;

impl Stage {
    const SHAKEN: u64 = 0;
    const PROVEN: u64 = 1;
    const REGISTERED: u64 = 2;
}

impl NodeSession {
    pub(crate) fn new(
        node: NodeId,
        epoch: BootEpoch,
        from: SocketAddr,
        channel: Channel,
        core: Weak<MasterCore>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            node,
            epoch,
            from: from.ip(),
            channel,
            stage: AtomicU64::new(Stage::SHAKEN),
            core,
            this: this.clone(),
        })
    }

    fn advance(&self, from: u64, to: u64) -> bool {
        self.stage
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn this(&self) -> Option<NodeSessionRef> {
        self.this.upgrade().map(NodeSessionRef)
    }

    fn on_message(&self, message: ToMaster) -> Result<(), String> {
        let (Some(core), Some(this)) = (self.core.upgrade(), self.this()) else {
            return Ok(());
        };
        match message {
            ToMaster::Register { host, port } => {
                if !self.advance(Stage::PROVEN, Stage::REGISTERED) {
                    return Err("a second registration".into());
                }
                self.register(&core, this, host, port)
            }
            _ if self.stage.load(Ordering::Acquire) < Stage::REGISTERED => {
                Err("a message before the registration".into())
            }
            ToMaster::ViewRequest => {
                let view = core.registry().view(&self.node);
                this.send_view(core.epoch, view.0, view.1);
                Ok(())
            }
            ToMaster::Draining => {
                let mut registry = core.registry();
                let notices = registry.drain(&self.node, &this);
                send_notices(core.epoch, notices);
                Ok(())
            }
        }
    }

    fn register(
        &self,
        core: &MasterCore,
        this: NodeSessionRef,
        host: Option<String>,
        port: u16,
    ) -> Result<(), String> {
        let host = host.unwrap_or_else(|| self.from.to_string());
        if host.is_empty() || host.len() > MAX_HOST {
            return Err("an address that nobody can dial".into());
        }
        let info = NodeInfo::new(self.node.clone(), self.epoch, host.clone(), port);
        // Messages are sent under the registry's lock, so each node gets its view and changes in the order of their
        // numbers.
        let mut registry = core.registry();
        match registry.join(info.clone(), this.clone()) {
            Joined::Stale => {
                drop(registry);
                self.channel.close(CloseReason::Local(CloseCode::Replaced));
            }
            Joined::In { replaced, notices } => {
                this.send(&ToNode::Registered { host });
                let (seq, peers) = registry.view(&self.node);
                this.send_view(core.epoch, seq, peers);
                send_notices(core.epoch, notices);
                core.note_up(&info.id);
                drop(registry);
                if let Some(NodeSessionRef(replaced)) = replaced {
                    replaced
                        .channel
                        .close(CloseReason::Local(CloseCode::Replaced));
                }
                core.on_registered(&info);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl From<Arc<NodeSession>> for NodeSessionRef {
    fn from(session: Arc<NodeSession>) -> Self {
        Self(session)
    }
}

impl NodeSessionRef {
    fn send(&self, message: &ToNode) {
        match control::encode(message) {
            Ok(payload) => {
                self.0.channel.send(Frame::Control { payload });
            }
            Err(error) => {
                tracing::error!(node = %self.0.node, %error, "a message to a node could not be encoded")
            }
        }
    }

    fn send_view(&self, epoch: BootEpoch, seq: u64, mut peers: Vec<control::PeerEntry>) {
        loop {
            let rest = peers.split_off(peers.len().min(PEERS_PER_PART));
            let last = rest.is_empty();
            self.send(&ToNode::View {
                epoch,
                seq,
                peers,
                last,
            });
            if last {
                return;
            }
            peers = rest;
        }
    }

    /// Closes the connection, and tells the node why.
    pub(crate) fn close(&self, reason: CloseCode) {
        self.0.channel.close(CloseReason::Local(reason));
    }
}

/// Sends each change to its session.
pub(crate) fn send_notices(epoch: BootEpoch, notices: Vec<Notice<NodeSessionRef>>) {
    for Notice {
        session,
        seq,
        change,
    } in notices
    {
        session.send(&ToNode::Change { epoch, seq, change });
    }
}

impl Receiver for NodeSession {
    fn on_frame(&self, frame: Frame) -> Result<(), String> {
        match frame {
            Frame::Confirm { .. } => {
                if !self.advance(Stage::SHAKEN, Stage::PROVEN) {
                    return Err("a second confirmation".into());
                }
                // A master takes no calls.
                self.channel.send(Frame::Confirm { calls: 0, bytes: 0 });
                if let (Some(core), Some(this)) = (self.core.upgrade(), self.this()) {
                    core.on_proven(&self.node, this);
                }
                Ok(())
            }
            Frame::Control { payload } => {
                let message = control::decode(&payload).map_err(|error| error.to_string())?;
                self.on_message(message)
            }
            other => Err(format!(
                "a frame that a master has no use for: {}",
                other.name()
            )),
        }
    }

    fn on_closed(&self, reason: &CloseReason) {
        if let (Some(core), Some(this)) = (self.core.upgrade(), self.this()) {
            core.on_gone(&self.node, &this, reason);
        }
    }
}
