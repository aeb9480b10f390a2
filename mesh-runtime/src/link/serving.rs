//! Serving over one link: what a received call or tell holds of the other side's budget, and how a call is replied to.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::future::AbortRegistration;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    budget::NoRoom,
    link::{Link, Peer},
};
use crate::{
    metrics::{CommandRecorder, EndStatus},
    wire::{
        extensions,
        frame::{FirstPart, Frame, MAX_DEADLINE_MS, failure_text},
        status::{FailureCode, Status},
    },
};

/// The payload of a call or tell. It counts against the other side's budget until it is taken or dropped.
pub(crate) struct ReceivedPayload {
    payload: Bytes,
    /// Where the extension block in front of the arguments ends, with its length; 0 if there is none.
    block_end: usize,
    held: HeldBytes,
}

impl ReceivedPayload {
    /// `extended`: whether the payload begins with an extension block, which was checked when its frame arrived.
    pub(super) fn new(link: Arc<Link>, payload: Bytes, extended: bool) -> Self {
        let block_end = if extended {
            extensions::check_front(&payload).unwrap_or_default()
        } else {
            0
        };
        let held = HeldBytes {
            bytes: payload.len(),
            link,
        };
        Self {
            payload,
            block_end,
            held,
        }
    }

    /// The encoded arguments, in bytes.
    pub(crate) fn args_len(&self) -> usize {
        self.payload.len() - self.block_end
    }

    /// The extension block of the call. It is whole; empty if there is none.
    pub(crate) fn block(&self) -> &[u8] {
        extensions::front(&self.payload[..self.block_end])
    }

    /// Takes the arguments. From then on they no longer count against the other side's budget.
    pub(crate) fn take(self) -> Bytes {
        let Self {
            mut payload,
            block_end,
            held,
        } = self;
        drop(held);
        payload.advance(block_end);
        payload
    }
}

struct HeldBytes {
    link: Arc<Link>,
    bytes: usize,
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.link.consumed(self.bytes);
    }
}

/// Counts a tell against the other side's budget until it is dropped.
pub(crate) struct TellPermit(pub(super) Arc<Link>);

impl TellPermit {
    /// The node that sent it.
    pub(crate) fn peer(&self) -> &Peer {
        &self.0.peer
    }
}

impl Drop for TellPermit {
    fn drop(&mut self) {
        self.0.tell_done();
    }
}

/// Replies to one call. If it is dropped without a reply, it replies [`FailureCode::Cancelled`], unless the caller has
/// given up.
#[doc(hidden)]
pub struct CallReply {
    link: Arc<Link>,
    call: u64,
    arrived: Instant,
    deadline: Instant,
    cancelled: Option<AbortRegistration>,
    replied: bool,
    /// Counts the call. `None` if it is not counted, and once it is.
    recorder: Option<Arc<CommandRecorder>>,
    /// A shutdown waits until this is dropped.
    running: Option<TaskTrackerToken>,
}

impl CallReply {
    pub(super) fn new(
        link: Arc<Link>,
        call: u64,
        deadline_ms: u32,
        cancelled: AbortRegistration,
    ) -> Self {
        let arrived = Instant::now();
        Self {
            link,
            call,
            arrived,
            deadline: arrived + time_left(deadline_ms),
            cancelled: Some(cancelled),
            replied: false,
            recorder: None,
            running: None,
        }
    }

    /// The node that called.
    pub(crate) fn peer(&self) -> &Peer {
        &self.link.peer
    }

    /// When the caller stops waiting.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Ends the future that serves the call when the caller gives up. Can be taken only once.
    pub(crate) fn cancelled(&mut self) -> Option<AbortRegistration> {
        self.cancelled.take()
    }

    /// Keeps this until the reply is handed to the link, so that a shutdown waits for it.
    pub(crate) fn hold(&mut self, running: TaskTrackerToken) {
        self.running = Some(running);
    }

    /// Counts this call from its arrival on.
    pub(crate) fn count(&mut self, recorder: &Arc<CommandRecorder>) {
        recorder.begin();
        self.recorder = Some(Arc::clone(recorder));
    }

    /// Sends the encoded reply, once the other side has room for it. `ended` is how the call is counted.
    pub(crate) fn send(mut self, payload: Bytes, ended: EndStatus) {
        self.note_end(ended);
        self.finish(Status::Ok, payload);
    }

    /// Replies that the call has failed.
    pub(crate) fn fail(mut self, code: FailureCode, why: &str) {
        self.note_end(EndStatus::from(code));
        self.finish(Status::Failed(code), failure_text(why));
    }

    fn note_end(&mut self, status: EndStatus) {
        if let Some(recorder) = self.recorder.take() {
            recorder.end(self.arrived, status);
        }
    }

    /// Replies that a rule of this node refused the call.
    pub(crate) fn refuse(mut self, code: u32, why: &str) {
        self.note_end(EndStatus::Refused);
        let text = failure_text(why);
        let mut payload = BytesMut::with_capacity(size_of::<u32>() + text.len());
        payload.put_u32_le(code);
        payload.put_slice(&text);
        self.finish(Status::Refused, payload.freeze());
    }

    fn finish(&mut self, status: Status, payload: Bytes) {
        self.replied = true;
        if !self.link.end_call(self.call) {
            return;
        }
        if let Some(reserved) = self.link.budget.try_reserve(payload.len()) {
            reserved.spend();
            self.link.send_reply(self.call, status, payload);
            return;
        }
        // Without a runtime there is no link: the process is about to exit.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (link, call, deadline) = (Arc::clone(&self.link), self.call, self.deadline);
        let running = self.running.take();
        runtime.spawn(async move {
            let _running = running;
            match timeout_at(deadline, link.budget.reserve(payload.len())).await {
                Ok(Ok(reserved)) => {
                    reserved.spend();
                    link.send_reply(call, status, payload);
                }
                Ok(Err(never @ NoRoom::Never { .. })) => {
                    link.send_failure(call, FailureCode::Codec, &never.to_string())
                }
                // The caller has given up, or the link is gone.
                Ok(Err(NoRoom::Closed)) | Err(_) => {}
            }
        });
    }
}

/// How long a caller waits that says so: no longer than 24 h, and so long if it does not say.
fn time_left(deadline_ms: u32) -> Duration {
    let ms = match deadline_ms {
        0 => MAX_DEADLINE_MS,
        ms => ms.min(MAX_DEADLINE_MS),
    };
    Duration::from_millis(u64::from(ms))
}

impl Drop for CallReply {
    fn drop(&mut self) {
        if !self.replied {
            self.note_end(EndStatus::Cancelled);
            self.finish(Status::Failed(FailureCode::Cancelled), Bytes::new());
        }
    }
}

impl Link {
    fn send_reply(&self, call: u64, status: Status, payload: Bytes) {
        let part = FirstPart::whole(payload);
        self.channel.send(Frame::Reply { call, status, part });
    }

    /// Replies that the call has failed. Even the text of the failure must fit the budget; if it does not, the text is
    /// left out.
    fn send_failure(&self, call: u64, code: FailureCode, why: &str) {
        let payload = failure_text(why);
        let payload = match self.budget.try_reserve(payload.len()) {
            Some(reserved) => {
                reserved.spend();
                payload
            }
            None => Bytes::new(),
        };
        self.send_reply(call, Status::Failed(code), payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_waits_for_a_day_at_most_and_for_a_day_if_it_does_not_say() {
        let day = Duration::from_secs(24 * 60 * 60);
        assert_eq!(time_left(0), day);
        assert_eq!(time_left(u32::MAX), day);
        assert_eq!(time_left(MAX_DEADLINE_MS + 1), day);
        assert_eq!(time_left(1500), Duration::from_millis(1500));
    }
}
