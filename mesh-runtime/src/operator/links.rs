//! The links of operators and observers with one node or master. They are not in the table of links between nodes: they
//! count for nothing but themselves.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::{
    commands::{Access, RESERVED},
    serve::{self, Operated, Running},
};
use crate::{
    close::{CloseCode, CloseReason},
    id::NodeId,
    link::{
        channel::Channel,
        link::{Grant, Link, LinkHost, Peer, Role},
        serving::{CallReply, ReceivedPayload, TellPermit},
    },
    schema::NodeSpec,
    verdict::Verdicts,
    wire::hello::{Hello, role},
};

/// How many operators may be connected at once, and how many observers.
const MAX_LINKS: usize = 64;

/// What each side of a link with an operator may have outstanding.
pub(super) const GRANT: Grant = Grant {
    calls: 256,
    bytes: 64 * 1024 * 1024,
};

/// The links of operators and observers.
pub(crate) struct OperatorLinks {
    operators: Arc<OperatorHost>,
    observers: Arc<OperatorHost>,
}

/// The links of one access, and what they need from their node or master.
struct OperatorHost {
    access: Access,
    operated: Weak<dyn Operated>,
    links: Mutex<Vec<Arc<Link>>>,
    /// The built-in commands that are running. A shutdown does not wait for them.
    running: Running,
}

impl OperatorLinks {
    pub(crate) fn new(operated: Weak<dyn Operated>) -> Self {
        let running = Running::new();
        let host = |access, operated| {
            Arc::new(OperatorHost {
                access,
                operated,
                links: Mutex::default(),
                running: running.clone(),
            })
        };
        Self {
            operators: host(Access::Operator, Weak::clone(&operated)),
            observers: host(Access::Observer, operated),
        }
    }

    /// Creates the link of an operator or observer, whichever the hello says. `own` is the type of this node, if it is
    /// one.
    pub(crate) fn link(
        &self,
        hello: Hello,
        from: SocketAddr,
        channel: Channel,
        own: Option<&NodeSpec>,
    ) -> Arc<Link> {
        let (name, host) = match hello.role {
            role::OPERATOR => ("operator", &self.operators),
            _ => ("observer", &self.observers),
        };
        // An operator may call every command.
        let callable = own.filter(|_| host.access == Access::Operator);
        let peer = Peer {
            id: NodeId::new(name, hello.instance),
            epoch: hello.epoch,
            addr: from.to_string(),
            verdicts: Verdicts::allowing(callable),
        };
        let host: Arc<dyn LinkHost> = Arc::clone(host) as Arc<dyn LinkHost>;
        Link::new(peer, Role::Accepted, channel, GRANT, Arc::downgrade(&host))
    }

    pub(crate) fn len(&self) -> usize {
        self.operators.links().len() + self.observers.links().len()
    }

    /// Closes all of them, and tells the other ends why.
    pub(crate) fn close(&self) {
        for host in [&self.operators, &self.observers] {
            // Not under the lock, which a link takes when it closes.
            let links = std::mem::take(&mut *host.links());
            for link in links {
                link.close(CloseCode::ShuttingDown);
            }
        }
    }
}

impl OperatorHost {
    fn links(&self) -> MutexGuard<'_, Vec<Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkHost for OperatorHost {
    fn admit(&self, link: &Arc<Link>) -> Result<(), CloseCode> {
        let mut links = self.links();
        // One that was lost before it was in the list would stay there.
        links.retain(|link| link.is_usable());
        if self
            .operated
            .upgrade()
            .is_none_or(|operated| operated.is_closed())
        {
            return Err(CloseCode::ShuttingDown);
        }
        if links.len() >= MAX_LINKS {
            return Err(CloseCode::Full);
        }
        links.push(Arc::clone(link));
        Ok(())
    }

    fn opened(&self, link: &Arc<Link>) {
        tracing::info!(operator = %link.peer.id, from = link.peer.addr, "linked");
    }

    fn call(&self, command: u32, args: ReceivedPayload, reply: CallReply) {
        let Some(operated) = self.operated.upgrade() else {
            return;
        };
        if command >= RESERVED {
            operated.call(command, args, reply);
            return;
        }
        serve::call(
            operated,
            self.access,
            command,
            &args.take(),
            reply,
            &self.running,
        );
    }

    fn tell(&self, command: u32, args: ReceivedPayload, permit: TellPermit) {
        if let Some(operated) = self.operated.upgrade() {
            operated.tell(command, args, permit);
        }
    }

    fn draining(&self, _: &Arc<Link>) {}

    fn lost(&self, link: &Arc<Link>, reason: &CloseReason) {
        let mut links = self.links();
        let before = links.len();
        links.retain(|other| !Arc::ptr_eq(other, link));
        let was_open = links.len() < before;
        drop(links);
        if was_open || reason.is_fault() {
            tracing::info!(operator = %link.peer.id, from = link.peer.addr, %reason, "the link is gone");
        }
    }
}
