//! A link: two nodes, joined by one sealed connection over which either calls the other. Keeps the books of calls in
//! both directions; knows nothing of handlers, balancing or how it came about.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::{
    budget::{Budget, Full},
    channel::{Channel, CloseReason, Receiver},
    in_flight::{Answer, InFlight, Pending},
    inbox::{Arrived, Inbox, Opening, Overrun},
    outbox::Outgoing,
};
use crate::{
    id::{BootEpoch, NodeId},
    wire::frame::{Farewell, FirstPart, Frame, Status, Stream, failure_text},
};

/// What one side of a link lets the other have outstanding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Calls at once; and as many tells.
    pub(crate) calls: u32,
    /// Bytes of payload.
    pub(crate) bytes: u64,
}

/// The other end.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) id: NodeId,
    pub(crate) epoch: BootEpoch,
    /// Host and port that it was dialled at, or that it dialled from.
    pub(crate) addr: String,
    /// Its commands that this node knows otherwise or not at all.
    pub(crate) incompatible: HashSet<u32>,
}

/// Who dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Dialled,
    Accepted,
}

/// What a link needs from its node. Called inline: must not block.
pub(crate) trait LinkHost: Send + Sync + 'static {
    /// The handshake is confirmed: may the link stay?
    fn admit(&self, link: &Arc<Link>) -> Result<(), Farewell>;

    /// The link is open: both sides may call from now on.
    fn opened(&self, link: &Arc<Link>);

    /// A call or tell has arrived.
    fn serve(&self, incoming: Incoming);

    /// The other end takes no new calls.
    fn draining(&self, link: &Arc<Link>);

    /// The link is gone.
    fn lost(&self, link: &Arc<Link>, reason: &CloseReason);
}

/// A link between this node and [`Link::peer`].
pub(crate) struct Link {
    pub(crate) peer: Peer,
    pub(crate) role: Role,
    channel: Channel,
    grant: Grant,
    budget: Arc<Budget>,
    in_flight: Mutex<InFlight>,
    arriving: Mutex<Arriving>,
    next_tell: AtomicU64,
    confirmed: AtomicBool,
    draining: AtomicBool,
    host: Weak<dyn LinkHost>,
    this: Weak<Link>,
}

struct Arriving {
    inbox: Inbox,
    /// Calls that are being served.
    running: HashMap<u64, Option<AbortHandle>>,
}

/// Why a call over one link brought no answer.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// The link's budget is used up. Not sent.
    Full { what: String },
    /// The link closed.
    Lost { reason: String, sent: bool },
    /// The deadline passed.
    Late { sent: bool },
    /// The other side says why.
    Remote(Status, String),
}

impl Link {
    /// A link over a connection whose handshake is done. It takes part once both sides have confirmed.
    pub(crate) fn new(
        peer: Peer,
        role: Role,
        channel: Channel,
        grant: Grant,
        host: Weak<dyn LinkHost>,
    ) -> Arc<Self> {
        let bytes = usize::try_from(grant.bytes).unwrap_or(usize::MAX);
        Arc::new_cyclic(|this| Self {
            peer,
            role,
            channel,
            grant,
            budget: Budget::new(),
            in_flight: Mutex::new(InFlight::new()),
            arriving: Mutex::new(Arriving {
                inbox: Inbox::new(grant.calls as usize, bytes),
                running: HashMap::new(),
            }),
            next_tell: AtomicU64::new(0),
            confirmed: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            host,
            this: this.clone(),
        })
    }

    /// Sends this side's confirmation: the dialler at once, the acceptor when the other side has proven itself.
    pub(crate) fn confirm(&self) {
        self.channel.send(Frame::Confirm {
            calls: self.grant.calls,
            bytes: self.grant.bytes,
        });
    }

    /// Closes the link, telling the other side why.
    pub(crate) fn close(&self, reason: Farewell) {
        self.channel.close(CloseReason::Local(reason));
    }

    /// Waits for the end.
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

    /// Whether new calls may go this way.
    pub(crate) fn is_usable(&self) -> bool {
        !self.draining.load(Ordering::Acquire) && self.channel.close_reason().is_none()
    }

    /// Calls on their way to the other end.
    pub(crate) fn load(&self) -> usize {
        self.budget.calls()
    }

    /// Calls the other end and waits for the answer, until `deadline`. Dropping the future cancels the call there.
    pub(crate) async fn call(
        &self,
        command: u32,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, CallFailure> {
        let slot = self
            .budget
            .slot()
            .map_err(|Full { limit }| CallFailure::Full {
                what: format!("{limit} calls are in flight to {}", self.peer.id),
            })?;
        let reserved = match self.budget.try_reserve(payload.len()) {
            Some(reserved) => reserved,
            None => timeout_at(deadline, self.budget.reserve(payload.len()))
                .await
                .map_err(|_| CallFailure::Late { sent: false })?
                .map_err(|_| self.lost_unsent())?,
        };
        let (call, pending) =
            self.in_flight()
                .open(slot, reserved)
                .map_err(|reason| CallFailure::Lost {
                    reason,
                    sent: false,
                })?;
        let mut guard = CallGuard {
            link: self,
            call,
            pending: Arc::clone(&pending),
            answered: false,
        };
        let frame = Frame::Call {
            call,
            command,
            deadline_ms: remaining_ms(deadline),
            part: FirstPart::whole(payload),
        };
        self.channel
            .push(Outgoing::call(frame, Arc::clone(&pending)));
        let Ok(answer) = timeout_at(deadline, pending.answered()).await else {
            let sent = !guard.give_up();
            return Err(CallFailure::Late { sent });
        };
        guard.answered = true;
        match answer {
            Answer::Ok(bytes) => Ok(bytes),
            Answer::Failed(status, text) => Err(CallFailure::Remote(status, text)),
            Answer::LinkLost(reason) => Err(CallFailure::Lost {
                reason,
                sent: !pending.abandon(),
            }),
        }
    }

    /// Tells the other end something, without an answer; waits for room until `deadline`. Cancel safe: what was not
    /// handed over yet is not sent.
    pub(crate) async fn tell(
        &self,
        command: u32,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<(), CallFailure> {
        let admitted = async {
            self.budget.tell().await.map_err(|_| self.lost_unsent())?;
            match self.budget.try_reserve(payload.len()) {
                Some(reserved) => Ok(reserved),
                None => self
                    .budget
                    .reserve(payload.len())
                    .await
                    .map_err(|_| self.lost_unsent()),
            }
        };
        let reserved = timeout_at(deadline, admitted)
            .await
            .map_err(|_| CallFailure::Full {
                what: format!("{} takes no more for now", self.peer.id),
            })??;
        let pushed = self.channel.send(Frame::Tell {
            tell: self.next_tell.fetch_add(1, Ordering::Relaxed),
            command,
            part: FirstPart::whole(payload),
        });
        if !pushed {
            return Err(self.lost_unsent());
        }
        reserved.spend();
        Ok(())
    }

    fn lost_unsent(&self) -> CallFailure {
        let reason = self.channel.close_reason().map(ToString::to_string);
        CallFailure::Lost {
            reason: reason.unwrap_or_else(|| "it is closing".into()),
            sent: false,
        }
    }

    fn in_flight(&self) -> MutexGuard<'_, InFlight> {
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

    /// Books what was handed on, and gives credit when enough has come together.
    fn consumed(&self, book: impl FnOnce(&mut Inbox)) {
        let due = {
            let mut arriving = self.arriving();
            book(&mut arriving.inbox);
            arriving.inbox.take_due()
        };
        if let Some((tells, bytes)) = due {
            self.channel.send(Frame::Credit {
                calls: u32::try_from(tells).unwrap_or(u32::MAX),
                bytes: bytes as u64,
            });
        }
    }

    fn on_confirm(&self, calls: u32, bytes: u64) -> Result<(), String> {
        if self.confirmed.swap(true, Ordering::AcqRel) {
            return Err("a second confirmation".into());
        }
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.budget.grant(
            (calls as usize).min(self.grant.calls as usize),
            bytes.min(usize::try_from(self.grant.bytes).unwrap_or(usize::MAX)),
        );
        let (Some(host), Some(this)) = (self.host.upgrade(), self.this()) else {
            self.close(Farewell::ShuttingDown);
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
        let arrived = {
            let mut arriving = self.arriving();
            if opening.kind == Stream::Call {
                if arriving.running.len() >= self.grant.calls as usize {
                    return Err(Overrun::Calls);
                }
                if arriving.running.insert(opening.id, None).is_some() {
                    return Err(Overrun::IdTwice);
                }
            }
            arriving.inbox.open(opening, part.more, part.payload)?
        };
        self.hand_on(arrived);
        Ok(())
    }

    fn on_chunk(&self, kind: Stream, id: u64, more: bool, payload: &[u8]) -> Result<(), String> {
        if kind == Stream::Reply {
            let consumed = self.in_flight().chunk(id, more, payload).map_err(text)?;
            self.consumed(|inbox| inbox.consumed(consumed));
            return Ok(());
        }
        let arrived = self
            .arriving()
            .inbox
            .chunk(kind, id, more, payload)
            .map_err(text)?;
        self.hand_on(arrived);
        Ok(())
    }

    fn on_reply(&self, call: u64, status: Status, part: FirstPart) -> Result<(), String> {
        let FirstPart {
            total,
            more,
            payload,
        } = part;
        let total = total as usize;
        self.arriving().inbox.account_for(total).map_err(text)?;
        let consumed = self
            .in_flight()
            .reply(call, status, total, more, payload)
            .map_err(text)?;
        self.consumed(|inbox| inbox.consumed(consumed));
        Ok(())
    }

    fn on_cancel(&self, call: u64) {
        let running = self.arriving().running.remove(&call);
        if let Some(Some(task)) = running {
            task.abort();
        }
        self.consumed(|inbox| inbox.cancel(call));
    }

    fn hand_on(&self, arrived: Option<Arrived>) {
        let (Some(arrived), Some(this)) = (arrived, self.this()) else {
            return;
        };
        let Opening {
            kind,
            id,
            command,
            deadline_ms,
            total,
        } = arrived.opening;
        let answer = match kind {
            Stream::Tell => Answering::Tell(TellPlace(Arc::clone(&this))),
            Stream::Call | Stream::Reply => Answering::Call(Responder {
                link: Arc::clone(&this),
                call: id,
                deadline: Instant::now() + Duration::from_millis(u64::from(deadline_ms)),
                answered: false,
            }),
        };
        let incoming = Incoming {
            command,
            parcel: Parcel {
                payload: arrived.payload,
                owed: Owed {
                    link: Arc::clone(&this),
                    bytes: total,
                },
            },
            answer,
            link: this,
        };
        if let Some(host) = self.host.upgrade() {
            host.serve(incoming);
        }
    }
}

impl Receiver for Link {
    fn on_frame(&self, frame: Frame) -> Result<(), String> {
        if let Frame::Confirm { calls, bytes } = frame {
            return self.on_confirm(calls, bytes);
        }
        if !self.confirmed.load(Ordering::Acquire) {
            return Err("a frame before the confirmation".into());
        }
        match frame {
            Frame::Call {
                call,
                command,
                deadline_ms,
                part,
            } => {
                let opening = Opening {
                    kind: Stream::Call,
                    id: call,
                    command,
                    deadline_ms,
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
                    kind: Stream::Tell,
                    id: tell,
                    command,
                    deadline_ms: 0,
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
        let text = reason.to_string();
        self.budget.close();
        self.in_flight().close(&text);
        let running = std::mem::take(&mut self.arriving().running);
        for task in running.into_values().flatten() {
            task.abort();
        }
        if let (Some(host), Some(this)) = (self.host.upgrade(), self.this()) {
            host.lost(&this, reason);
        }
    }
}

/// A call or tell to be served.
pub(crate) struct Incoming {
    pub(crate) link: Arc<Link>,
    pub(crate) command: u32,
    pub(crate) parcel: Parcel,
    pub(crate) answer: Answering,
}

/// A payload that counts against the other side's budget until it is dropped or taken.
pub(crate) struct Parcel {
    payload: Bytes,
    owed: Owed,
}

impl Parcel {
    /// The payload; from now on it is on this node's account.
    pub(crate) fn take(self) -> Bytes {
        drop(self.owed);
        self.payload
    }
}

struct Owed {
    link: Arc<Link>,
    bytes: usize,
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.link.consumed(|inbox| inbox.consumed(self.bytes));
    }
}

/// What becomes of the handler's result.
pub(crate) enum Answering {
    Call(Responder),
    Tell(TellPlace),
}

/// Counts a tell against the other side's budget until it is worked off.
pub(crate) struct TellPlace(Arc<Link>);

impl Drop for TellPlace {
    fn drop(&mut self) {
        self.0.consumed(Inbox::tell_done);
    }
}

/// Answers one call. Dropped without an answer, it answers [`Status::Cancelled`], unless the caller has given up.
pub(crate) struct Responder {
    link: Arc<Link>,
    call: u64,
    deadline: Instant,
    answered: bool,
}

impl Responder {
    /// When the caller stops waiting.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// A handle by which the call's task ends when the caller gives up.
    pub(crate) fn serving(&self) -> Serving {
        Serving {
            link: Arc::clone(&self.link),
            call: self.call,
        }
    }

    /// Sends the answer, once the other side has room for it.
    pub(crate) fn respond(mut self, status: Status, payload: Bytes) {
        self.finish(status, payload);
    }

    /// Answers that there is no answer.
    pub(crate) fn fail(self, status: Status, why: &str) {
        self.respond(status, failure_text(why));
    }

    fn finish(&mut self, status: Status, payload: Bytes) {
        self.answered = true;
        if self.link.arriving().running.remove(&self.call).is_none() {
            return;
        }
        let frame = Frame::Reply {
            call: self.call,
            status,
            part: FirstPart::whole(payload.clone()),
        };
        if let Some(reserved) = self.link.budget.try_reserve(payload.len()) {
            reserved.spend();
            self.link.channel.send(frame);
            return;
        }
        // No runtime, no link: the process is on its way out.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (link, deadline) = (Arc::clone(&self.link), self.deadline);
        runtime.spawn(async move {
            if let Ok(Ok(reserved)) = timeout_at(deadline, link.budget.reserve(payload.len())).await
            {
                reserved.spend();
                link.channel.send(frame);
            }
        });
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !self.answered {
            self.finish(Status::Cancelled, Bytes::new());
        }
    }
}

/// Names a call that is being served.
pub(crate) struct Serving {
    link: Arc<Link>,
    call: u64,
}

impl Serving {
    /// Says which task serves the call.
    pub(crate) fn by(self, task: AbortHandle) {
        match self.link.arriving().running.get_mut(&self.call) {
            Some(place) => *place = Some(task),
            // Given up meanwhile; or answered, and then there is nothing left to abort.
            None => task.abort(),
        }
    }
}

/// Gives a call up when its future is dropped.
struct CallGuard<'a> {
    link: &'a Link,
    call: u64,
    pending: Arc<Pending>,
    answered: bool,
}

impl CallGuard<'_> {
    /// True if the call was never sent, and never will be.
    fn give_up(&mut self) -> bool {
        self.answered = true;
        let consumed = self.link.in_flight().forget(self.call);
        self.link.consumed(|inbox| inbox.consumed(consumed));
        let unsent = self.pending.abandon();
        if !unsent {
            self.link.channel.drop_call(self.call);
            self.link.channel.send(Frame::Cancel { call: self.call });
        }
        unsent
    }
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.give_up();
        }
    }
}

fn remaining_ms(deadline: Instant) -> u32 {
    let left = deadline.saturating_duration_since(Instant::now());
    // Rounded up, so that a call never arrives with no time at all.
    u32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}
