//! Serving over one link: a call or tell that has arrived, what it holds of the other side's budget, and its answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::{
    budget::NoRoom,
    inbox::{Arrived, Inbox, Opening},
    link::Link,
};
use crate::wire::frame::{FirstPart, Frame, PayloadKind, Status, failure_text};

/// A call or tell to be served.
pub(crate) struct Incoming {
    pub(crate) link: Arc<Link>,
    pub(crate) command: u32,
    pub(crate) parcel: Parcel,
    pub(crate) answer: Answering,
}

impl Incoming {
    pub(super) fn new(link: Arc<Link>, arrived: Arrived) -> Self {
        let Opening {
            kind,
            id,
            command,
            deadline_ms,
            total,
        } = arrived.opening;
        let answer = match kind {
            PayloadKind::Tell => Answering::Tell(TellPlace(Arc::clone(&link))),
            PayloadKind::Call | PayloadKind::Reply => Answering::Call(Responder {
                link: Arc::clone(&link),
                call: id,
                deadline: Instant::now() + Duration::from_millis(u64::from(deadline_ms)),
                answered: false,
            }),
        };
        let owed = Owed {
            link: Arc::clone(&link),
            bytes: total,
        };
        Self {
            link,
            command,
            parcel: Parcel {
                payload: arrived.payload,
                owed,
            },
            answer,
        }
    }
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
        let (link, call, deadline) = (Arc::clone(&self.link), self.call, self.deadline);
        runtime.spawn(async move {
            match timeout_at(deadline, link.budget.reserve(payload.len())).await {
                Ok(Ok(reserved)) => {
                    reserved.spend();
                    link.channel.send(frame);
                }
                Ok(Err(never @ NoRoom::Never { .. })) => {
                    link.send_failure(call, Status::Codec, &never.to_string())
                }
                // The caller has given up, or the link is gone.
                Ok(Err(NoRoom::Closed)) | Err(_) => {}
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

impl Link {
    /// Answers that there is no answer, where even a short text has to fit the budget.
    fn send_failure(&self, call: u64, status: Status, why: &str) {
        let payload = failure_text(why);
        let payload = match self.budget.try_reserve(payload.len()) {
            Some(reserved) => {
                reserved.spend();
                payload
            }
            None => Bytes::new(),
        };
        let part = FirstPart::whole(payload);
        self.channel.send(Frame::Reply { call, status, part });
    }
}
