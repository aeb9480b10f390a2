//! Keeps one link up: dials a peer again whenever there is no link to it, for as long as the master's view has that
//! peer.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{core::NodeCore, events::Event};
use crate::{
    address,
    backoff::Backoff,
    error::Refusal,
    id::NodeId,
    link::{
        channel::Receiver,
        gate::{self, DialError, Dialling},
        link::{Link, Role},
    },
    repeating::Repeating,
    wire::{
        control::PeerEntry,
        hello::{Target, role},
    },
};

/// The first step of the backoff. It doubles with each failure, up to [`MAX_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Where both nodes of a pair may dial, this is how long the one with the higher id waits for the other to dial.
const YIELD: Duration = Duration::from_secs(2);

/// The waits between attempts to connect, to a peer or to the master.
pub(crate) const fn reconnecting() -> Backoff {
    Backoff::new(FIRST_WAIT, MAX_WAIT)
}

/// Keeps a link to `peer` up until the node shuts down, is replaced, or this future is dropped. The link stays open
/// after that.
pub(crate) async fn keep_linked(core: Arc<NodeCore>, peer: PeerEntry) {
    let _settles = Settles(&core, &peer.node);
    tokio::select! {
        () = keep_dialling(&core, &peer) => {}
        () = core.local.closed.cancelled() => {}
        () = core.local.draining.cancelled() => {}
        () = core.replaced.cancelled() => {}
    }
}

/// Nothing is in the way of a link any more when nobody dials.
struct Settles<'a>(&'a NodeCore, &'a NodeId);

impl Drop for Settles<'_> {
    fn drop(&mut self) {
        self.0.local.membership.settled(self.1);
    }
}

async fn keep_dialling(core: &Arc<NodeCore>, peer: &PeerEntry) {
    let mut backoff = reconnecting();
    let mut repeating = Repeating::new();
    loop {
        // A link to an earlier node with that id does not count: it is replaced when there is a link to the later node.
        core.links_until(|core| !core.is_linked(&peer.node, peer.epoch))
            .await;
        core.local.membership.dials(&peer.node);
        if yields(core, &peer.node) {
            let linked = core.links_until(|core| core.is_linked(&peer.node, peer.epoch));
            if tokio::time::timeout(YIELD, linked).await.is_ok() {
                continue;
            }
        }
        match dial(core, peer).await {
            Ok(link) => {
                link.closed().await;
                if link.was_open() {
                    backoff.reset();
                    repeating.reset();
                }
            }
            Err(error) => on_failure(core, peer, &error, &mut repeating),
        }
        backoff.wait().await;
    }
}

/// Whether the peer is to dial first.
fn yields(core: &NodeCore, peer: &NodeId) -> bool {
    core.schema
        .may_link(&peer.node_type, &core.local.id.node_type)
        && core.local.id > *peer
}

async fn dial(core: &Arc<NodeCore>, peer: &PeerEntry) -> Result<Arc<Link>, DialError> {
    let hello = core.hello(Target::Node(peer.node.clone()));
    let dialling = Dialling {
        keys: &core.keys,
        hello: &hello,
        pace: core.config.pace,
        connections: &core.connections,
    };
    let addr = address::joined(&peer.host, peer.port);
    let (node, target) = (Arc::clone(core), peer.node.clone());
    let dialled = gate::dial(&peer.host, peer.port, dialling, move |welcome, channel| {
        let there = NodeId::new(welcome.node_type.as_str(), welcome.instance.clone());
        if welcome.role != role::NODE || there != target {
            return Err(Refusal::WrongTarget);
        }
        let link = node.link_to(
            there,
            welcome.epoch,
            &welcome.schema,
            addr,
            Role::Dialled,
            channel,
        );
        link.confirm();
        Ok((Arc::clone(&link) as Arc<dyn Receiver>, link))
    });
    let (_, link) = dialled.await?;
    Ok(link)
}

/// What is probably wrong with an address that could not be dialled.
fn hint(host: &str) -> &'static str {
    match host.parse::<IpAddr>() {
        Ok(ip) if ip.is_loopback() => {
            ": only its own machine reaches that address; bind it to another one, or give it advertise() or MESH_ADVERTISE"
        }
        _ => "",
    }
}

fn on_failure(core: &NodeCore, peer: &PeerEntry, error: &DialError, repeating: &mut Repeating) {
    let addr = address::joined(&peer.host, peer.port);
    let why = format!("no link to {addr} ({error}){}", hint(&peer.host));
    if repeating.is_due(&why, Instant::now()) {
        tracing::warn!(node = %core.local.id, peer = %peer.node, "{why}; tries again");
    }
    core.local.membership.not_linked(&peer.node, why);
    if let DialError::Refused {
        refusal,
        authenticated,
    } = error
    {
        core.events.tell(Event::Refused {
            addr,
            refusal: *refusal,
        });
        if *authenticated && *refusal == Refusal::Replaced {
            core.on_replaced();
        }
    }
}
