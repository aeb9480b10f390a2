//! A link joins two nodes by one sealed connection, over which each node can call the other. It keeps the flow-control
//! state of calls in both directions. It knows nothing of handlers, of balancing, or of how the connection was made.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use foldhash::fast::RandomState;
use futures_util::future::{AbortHandle, AbortRegistration};
use tokio::time::Instant;

use super::{
    budget::Budget,
    channel::{Channel, Receiver},
    credit::{Credit, ReceiveCredit},
    in_flight::InFlight,
    inbox::{Arrived, Inbox, Opening, Overrun},
    serving::{CallReply, ReceivedPayload, TellPermit},
};
use crate::{
    close::{CloseCode, CloseReason},
    id::{BootEpoch, NodeId},
    rendezvous::Hashed,
    verdict::Verdicts,
    wire::{
        frame::{FirstPart, Frame, PayloadKind},
        status::Status,
    },
};

/// How much one side of a link lets the other side have outstanding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The limit on concurrent calls, and separately the same limit on outstanding tells.
    pub(crate) calls: u32,
    /// Bytes of payload.
    pub(crate) bytes: u64,
}

/// The other end.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: NodeId,
    pub(crate) epoch: BootEpoch,
    /// The host and port at which this node dialled it, or from which it dialled this node.
    pub(crate) addr: String,
    /// Which commands each side may call on the other.
    pub(crate) verdicts: Verdicts,
}

/// Who dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Dialled,
    Accepted,
}

/// What a link needs from its node. The methods are called inline and must not block.
pub(crate) trait LinkHost: Send + Sync + 'static {
    /// The handshake is confirmed. Decides whether the link may stay.
    fn admit(&self, link: &Arc<Link>) -> Result<(), CloseCode>;

    /// The link is open: both sides may call from now on.
    fn opened(&self, link: &Arc<Link>);

    /// A call has arrived.
    fn call(&self, command: u32, args: ReceivedPayload, reply: CallReply);

    /// A tell has arrived.
    fn tell(&self, command: u32, args: ReceivedPayload, permit: TellPermit);

    /// The other end takes no new calls.
    fn draining(&self, link: &Arc<Link>);

    /// The link is gone.
    fn lost(&self, link: &Arc<Link>, reason: &CloseReason);
}

/// A link between this node and [`Link::peer`].
pub(crate) struct Link {
    pub(crate) peer: Peer,
    /// The peer's instance id, for calls with a key.
    pub(crate) hashed: Hashed,
    pub(crate) role: Role,
    pub(super) channel: Channel,
    grant: Grant,
    pub(super) budget: Arc<Budget>,
    in_flight: Mutex<InFlight>,
    arriving: Mutex<Arriving>,
    credit: ReceiveCredit,
    pub(super) next_tell: AtomicU64,
    confirmed: AtomicBool,
    draining: AtomicBool,
    host: Weak<dyn LinkHost>,
    this: Weak<Link>,
}

/// The calls and tells of the other side. The lock is taken twice for each call: when it arrives, and when it ends.
#[derive(Default)]
struct Arriving {
    inbox: Inbox,
    /// The calls that are arriving or being served. The other side chooses the ids, so the hash has a random seed.
    running: HashMap<u64, RunningCall, RandomState>,
}

/// A call of the other side that has not ended.
struct RunningCall {
    /// Ends the future that serves it.
    abort: AbortHandle,
    /// For that future. Taken when the call has arrived whole.
    registration: Option<AbortRegistration>,
}

impl Link {
    /// Creates a link over a connection whose handshake is done. The link takes no part in calls until both sides have
    /// confirmed.
    pub(crate) fn new(
        peer: Peer,
        role: Role,
        channel: Channel,
        grant: Grant,
        host: Weak<dyn LinkHost>,
    ) -> Arc<Self> {
        let bytes = usize::try_from(grant.bytes).unwrap_or(usize::MAX);
        Arc::new_cyclic(|this| Self {
            hashed: Hashed::instance(&peer.id.instance),
            peer,
            role,
            channel,
            grant,
            budget: Budget::new(),
            in_flight: Mutex::new(InFlight::new()),
            arriving: Mutex::default(),
            credit: ReceiveCredit::new(grant.calls as usize, bytes),
            next_tell: AtomicU64::new(0),
            confirmed: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            host,
            this: this.clone(),
        })
    }

    /// Sends this side's confirmation. The dialler does so at once; the acceptor does so once the other side is
    /// authenticated.
    pub(crate) fn confirm(&self) {
        self.channel.send(Frame::Confirm {
            calls: self.grant.calls,
            bytes: self.grant.bytes,
        });
    }

    /// Closes the link, telling the other side why.
    pub(crate) fn close(&self, reason: CloseCode) {
        self.channel.close(CloseReason::Local(reason));
    }

    /// Waits until the link is closed.
    pub(crate) async fn closed(&self) {
        self.channel.closed().await;
    }

    /// Whether both sides had confirmed the link.
    pub(crate) fn was_open(&self) -> bool {
        self.confirmed.load(Ordering::Acquire)
    }

    /// Tells the other end that this one takes no new calls.
    pub(crate) fn send_draining(&self) {
        self.channel.send(Frame::Draining);
    }

    /// Waits until the other end has received the draining notice and every call that it sent before then has arrived
    /// here, or until the link closes.
    pub(crate) async fn settled(&self) {
        self.channel.settled().await;
    }

    /// Whether chunks of a payload wait to be sent. What is sent after the last of them arrives after it.
    #[cfg(feature = "operator")]
    pub(crate) fn has_chunks(&self) -> bool {
        self.channel.has_chunks()
    }

    /// When something was last heard of the other end, to the millisecond, rounded down.
    pub(crate) fn heard(&self) -> Instant {
        self.channel.heard_at()
    }

    /// Asks the other end for a sign of life.
    pub(crate) fn ping(&self) {
        self.channel.send(Frame::Ping { token: 0 });
    }

    /// Whether new calls may be sent over this link.
    pub(crate) fn is_usable(&self) -> bool {
        !self.draining.load(Ordering::Acquire) && !self.is_closed()
    }

    /// Whether it is closed, or about to be.
    pub(crate) fn is_closed(&self) -> bool {
        self.channel.close_reason().is_some()
    }

    /// The number of calls in flight to the other end.
    pub(crate) fn load(&self) -> usize {
        self.budget.calls()
    }

    pub(super) fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn arriving(&self) -> MutexGuard<'_, Arriving> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn this(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }

    /// Returns credit for payload bytes of the other side that were handed on.
    pub(super) fn consumed(&self, bytes: usize) {
        self.give(self.credit.consumed(bytes));
    }

    /// Returns credit for a tell of the other side that was processed.
    pub(super) fn tell_done(&self) {
        self.give(self.credit.tell_done());
    }

    fn give(&self, credit: Option<Credit>) {
        if let Some(Credit { tells, bytes }) = credit {
            self.channel.send(Frame::Credit {
                calls: u32::try_from(tells).unwrap_or(u32::MAX),
                bytes: bytes as u64,
            });
        }
    }

    /// Ends a call of the other side. Returns false if its caller had given up.
    pub(super) fn end_call(&self, call: u64) -> bool {
        self.arriving().running.remove(&call).is_some()
    }

    fn on_confirm(&self, calls: u32, bytes: u64) -> Result<(), String> {
        if self.confirmed.swap(true, Ordering::AcqRel) {
            return Err("a second confirmation".into());
        }
        // Both sides use the smaller of the two grants, and each side knows that the other does so too.
        let calls = calls.min(self.grant.calls) as usize;
        let bytes = usize::try_from(bytes.min(self.grant.bytes)).unwrap_or(usize::MAX);
        self.credit.keep_pace_with(calls, bytes);
        self.budget.grant(calls, bytes);
        let (Some(host), Some(this)) = (self.host.upgrade(), self.this()) else {
            self.close(CloseCode::ShuttingDown);
            return Ok(());
        };
        match host.admit(&this) {
            Ok(()) => {
                if self.role == Role::Accepted {
                    self.confirm();
                }
                host.opened(&this);
            }
            Err(reason) => self.close(reason),
        }
        Ok(())
    }

    fn on_opening(&self, opening: Opening, part: FirstPart) -> Result<(), Overrun> {
        let FirstPart { more, payload, .. } = part;
        self.credit.accept_bytes(opening.total)?;
        if opening.kind == PayloadKind::Tell {
            self.credit.accept_tell()?;
        }
        let mut arriving = self.arriving();
        let mut registration = None;
        if opening.kind == PayloadKind::Call {
            if arriving.running.len() >= self.grant.calls as usize {
                return Err(Overrun::Calls);
            }
            let Entry::Vacant(vacant) = arriving.running.entry(opening.id) else {
                return Err(Overrun::IdTwice);
            };
            let (abort, registered) = AbortHandle::new_pair();
            registration = Some(registered);
            let for_later = if more { registration.take() } else { None };
            vacant.insert(RunningCall {
                abort,
                registration: for_later,
            });
        }
        let arrived = arriving.inbox.open(opening, more, payload)?;
        drop(arriving);
        self.hand_on(arrived, registration);
        Ok(())
    }

    fn on_chunk(
        &self,
        kind: PayloadKind,
        id: u64,
        more: bool,
        payload: &[u8],
    ) -> Result<(), String> {
        if kind == PayloadKind::Reply {
            let consumed = self.in_flight().chunk(id, more, payload).map_err(text)?;
            self.consumed(consumed);
            return Ok(());
        }
        let mut arriving = self.arriving();
        let arrived = arriving.inbox.chunk(kind, id, more, payload);
        let arrived = arrived.map_err(text)?;
        let running = match (&arrived, kind) {
            (Some(_), PayloadKind::Call) => arriving.running.get_mut(&id),
            _ => None,
        };
        let registration = running.and_then(|running| running.registration.take());
        drop(arriving);
        self.hand_on(arrived, registration);
        Ok(())
    }

    fn on_reply(&self, call: u64, status: Status, part: FirstPart) -> Result<(), String> {
        let FirstPart {
            total,
            more,
            payload,
            ..
        } = part;
        let total = total as usize;
        self.credit.accept_bytes(total).map_err(text)?;
        let consumed = self
            .in_flight()
            .reply(call, status, total, more, payload)
            .map_err(text)?;
        self.consumed(consumed);
        Ok(())
    }

    fn on_cancel(&self, call: u64) {
        let mut arriving = self.arriving();
        let running = arriving.running.remove(&call);
        let consumed = arriving.inbox.cancel(call);
        drop(arriving);
        if let Some(running) = running {
            running.abort.abort();
        }
        self.consumed(consumed);
    }

    /// Hands on a call or tell that has arrived completely. A call comes with a registration; a tell does not.
    fn hand_on(&self, arrived: Option<Arrived>, registration: Option<AbortRegistration>) {
        let (Some(Arrived { opening, payload }), Some(this)) = (arrived, self.this()) else {
            return;
        };
        let host = self.host.upgrade();
        // If the host is gone, dropping these values returns the credit that they hold.
        let args = ReceivedPayload::new(Arc::clone(&this), payload, opening.extended);
        if let Some(registration) = registration {
            let reply = CallReply::new(this, opening.id, opening.deadline_ms, registration);
            if let Some(host) = host {
                host.call(opening.command, args, reply);
            }
        } else {
            let permit = TellPermit(this);
            if let Some(host) = host {
                host.tell(opening.command, args, permit);
            }
        }
    }
}

impl Receiver for Link {
    fn on_frame(&self, frame: Frame) -> Result<(), String> {
        if let Frame::Confirm { calls, bytes } = frame {
            return self.on_confirm(calls, bytes);
        }
        match frame {
            Frame::Call {
                call,
                command,
                deadline_ms,
                part,
            } => {
                let opening = Opening {
                    kind: PayloadKind::Call,
                    id: call,
                    command,
                    deadline_ms,
                    extended: part.extended,
                    total: part.total as usize,
                };
                self.on_opening(opening, part).map_err(text)
            }
            Frame::Tell {
                tell,
                command,
                part,
            } => {
                let opening = Opening {
                    kind: PayloadKind::Tell,
                    id: tell,
                    command,
                    deadline_ms: 0,
                    extended: part.extended,
                    total: part.total as usize,
                };
                self.on_opening(opening, part).map_err(text)
            }
            Frame::Reply { call, status, part } => self.on_reply(call, status, part),
            Frame::Chunk {
                stream,
                id,
                more,
                payload,
            } => self.on_chunk(stream, id, more, &payload),
            Frame::Cancel { call } => {
                self.on_cancel(call);
                Ok(())
            }
            Frame::Credit { calls, bytes } => {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                if self.budget.credit(calls as usize, bytes) {
                    Ok(())
                } else {
                    Err("nonsensical credit".into())
                }
            }
            Frame::Draining => {
                self.draining.store(true, Ordering::Release);
                // This must happen before the reply to the drain ping that follows: no call may be sent after that
                // reply.
                self.channel.drain();
                if let (Some(host), Some(this)) = (self.host.upgrade(), self.this()) {
                    host.draining(&this);
                }
                Ok(())
            }
            other => Err(format!(
                "a frame that has no place on a link between nodes: {}",
                other.name()
            )),
        }
    }

    fn on_closed(&self, reason: &CloseReason) {
        self.budget.close();
        self.in_flight().close(reason);
        let running = std::mem::take(&mut self.arriving().running);
        for running in running.into_values() {
            running.abort.abort();
        }
        if let (Some(host), Some(this)) = (self.host.upgrade(), self.this()) {
            host.lost(&this, reason);
        }
    }
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}
