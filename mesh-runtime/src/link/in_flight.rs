//! Calls that wait for their reply, as pure state. Each reply finds its caller, exactly once.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::Poll,
};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use slab::Slab;

use super::budget::{CallPermit, Reserved};
use crate::{
    close::CloseReason,
    wire::status::{FailureCode, Status},
};

/// How a call over one link ended.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The encoded reply.
    Ok(Bytes),
    /// The other side replied with a failure.
    Failed(FailureCode, String),
    /// A rule of the other side refused the call, with this code and text.
    Refused(u32, String),
    /// The link closed.
    LinkLost(CloseReason),
}

const QUEUED: u8 = 0;
const SENT: u8 = 1;
const ABANDONED: u8 = 2;

/// One waiting call. Until the reply arrives, the call holds its part of the link's budget for as long as anything
/// refers to it: the caller, the table of calls, or its frame in the outbox.
pub(crate) struct Pending {
    state: AtomicU8,
    answer: Mutex<Option<Reply>>,
    waker: AtomicWaker,
    reserved: Reserved,
    permit: CallPermit,
}

impl Pending {
    /// Marks the call as sent. Returns false if its caller has given up: then it must not be sent.
    pub(crate) fn mark_sent(&self) -> bool {
        match self
            .state
            .compare_exchange(QUEUED, SENT, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => {
                // From now on the other side holds these bytes, and they come back as credit.
                self.reserved.spend();
                true
            }
            Err(state) => state == SENT,
        }
    }

    /// Gives up the call. Returns true if it was not sent, and so never will be.
    pub(crate) fn abandon(&self) -> bool {
        self.state
            .compare_exchange(QUEUED, ABANDONED, Ordering::AcqRel, Ordering::Acquire)
            .map_or_else(|state| state == ABANDONED, |_| true)
    }

    /// Ends the call because the other side takes no new calls, if it was not sent yet. Returns true if so: it will
    /// never be sent.
    pub(crate) fn refuse(&self) -> bool {
        let unsent = self.abandon();
        if unsent {
            self.complete(Reply::Failed(FailureCode::ShuttingDown, String::new()));
        }
        unsent
    }

    fn complete(&self, answer: Reply) {
        // The permit is released before the caller is woken, because the caller may call again at once.
        self.permit.release();
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        self.waker.wake();
    }

    fn take(&self) -> Option<Reply> {
        self.answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Waits for the reply. Cancel safe: a reply that was not returned stays available.
    pub(crate) async fn answered(&self) -> Reply {
        poll_fn(|cx| {
            if let Some(answer) = self.take() {
                return Poll::Ready(answer);
            }
            self.waker.register(cx.waker());
            match self.take() {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            }
        })
        .await
    }
}

struct InFlightEntry {
    /// The higher bits of the call id. They keep a delayed reply to an earlier call in the same slot from reaching the
    /// new call.
    generation: u32,
    pending: Arc<Pending>,
    /// The part of the reply that has arrived so far.
    partial: Option<Partial>,
}

struct Partial {
    status: Status,
    total: usize,
    bytes: BytesMut,
}

/// A reply broke the protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadReply {
    #[error("an answer holds more or fewer bytes than it announced")]
    WrongLength,
    #[error("an answer was opened twice")]
    OpenedTwice,
}

/// The calls of one link that wait for their reply.
pub(crate) struct InFlight {
    entries: Slab<InFlightEntry>,
    generation: u32,
    closed: Option<CloseReason>,
}

impl InFlight {
    /// No calls yet.
    pub(crate) fn new() -> Self {
        Self {
            entries: Slab::new(),
            generation: 0,
            closed: None,
        }
    }

    /// Opens a new call and returns its id, or the close reason if the link has closed.
    pub(crate) fn open(
        &mut self,
        permit: CallPermit,
        reserved: Reserved,
    ) -> Result<(u64, Arc<Pending>), CloseReason> {
        if let Some(reason) = &self.closed {
            return Err(reason.clone());
        }
        let pending = Arc::new(Pending {
            state: AtomicU8::new(QUEUED),
            answer: Mutex::new(None),
            waker: AtomicWaker::new(),
            reserved,
            permit,
        });
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let index = self.entries.insert(InFlightEntry {
            generation,
            pending: Arc::clone(&pending),
            partial: None,
        });
        Ok((call_id(generation, index), pending))
    }

    /// Forgets a call whose caller has given up. Returns the number of payload bytes that this consumes, which is the
    /// length of a partly received reply.
    pub(crate) fn forget(&mut self, call: u64) -> usize {
        let Some(index) = self.find(call) else {
            return 0;
        };
        let entry = self.entries.remove(index);
        entry.partial.map_or(0, |partial| partial.total)
    }

    /// Takes the first frame of a reply. Returns the number of payload bytes that this consumes: the whole length if
    /// the reply is complete or nobody waits for it any more.
    pub(crate) fn reply(
        &mut self,
        call: u64,
        status: Status,
        total: usize,
        more: bool,
        payload: Bytes,
    ) -> Result<usize, BadReply> {
        if (payload.len() == total) == more || payload.len() > total {
            return Err(BadReply::WrongLength);
        }
        let Some(index) = self.find(call) else {
            return Ok(total);
        };
        if !more {
            if self.entries[index].partial.is_some() {
                return Err(BadReply::OpenedTwice);
            }
            self.complete(index, status, payload);
            return Ok(total);
        }
        let entry = &mut self.entries[index];
        if entry.partial.is_some() {
            return Err(BadReply::OpenedTwice);
        }
        let mut bytes = BytesMut::with_capacity(total);
        bytes.extend_from_slice(&payload);
        entry.partial = Some(Partial {
            status,
            total,
            bytes,
        });
        Ok(0)
    }

    /// Takes a further part of a reply. Returns the number of payload bytes that this consumes.
    pub(crate) fn chunk(
        &mut self,
        call: u64,
        more: bool,
        payload: &[u8],
    ) -> Result<usize, BadReply> {
        let Some(index) = self.find(call) else {
            return Ok(0);
        };
        let Some(partial) = &mut self.entries[index].partial else {
            return Err(BadReply::WrongLength);
        };
        partial.bytes.extend_from_slice(payload);
        if partial.bytes.len() > partial.total || (partial.bytes.len() == partial.total) == more {
            return Err(BadReply::WrongLength);
        }
        if more {
            return Ok(0);
        }
        let (status, total) = (partial.status, partial.total);
        let bytes = std::mem::take(&mut partial.bytes).freeze();
        self.complete(index, status, bytes);
        Ok(total)
    }

    /// The link is gone: ends every call and lets no new one begin.
    pub(crate) fn close(&mut self, reason: &CloseReason) {
        self.closed = Some(reason.clone());
        for entry in self.entries.drain() {
            entry.pending.complete(Reply::LinkLost(reason.clone()));
        }
    }

    fn complete(&mut self, index: usize, status: Status, payload: Bytes) {
        let entry = self.entries.remove(index);
        entry.pending.complete(match status {
            Status::Ok => Reply::Ok(payload),
            Status::Refused => refused(&payload),
            Status::Failed(code) => Reply::Failed(code, text(&payload)),
        });
    }

    fn find(&self, call: u64) -> Option<usize> {
        let (generation, index) = parts(call);
        let entry = self.entries.get(index)?;
        (entry.generation == generation).then_some(index)
    }
}

/// A number, and the text behind it.
fn refused(mut payload: &[u8]) -> Reply {
    let code = payload.try_get_u32_le().unwrap_or_default();
    Reply::Refused(code, text(payload))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn call_id(generation: u32, index: usize) -> u64 {
    // The limit on calls keeps the index far below 32 bits.
    (u64::from(generation) << 32) | (index as u64 & 0xffff_ffff)
}

fn parts(call: u64) -> (u32, usize) {
    ((call >> 32) as u32, (call & 0xffff_ffff) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::budget::Budget;

    fn open(calls: &mut InFlight) -> (u64, Arc<Pending>) {
        let budget = Budget::new();
        budget.grant(1, 100);
        let reserved = budget.try_reserve(10).unwrap();
        calls.open(budget.call_permit().unwrap(), reserved).unwrap()
    }

    fn whole(calls: &mut InFlight, id: u64, text: &'static [u8]) -> Result<usize, BadReply> {
        calls.reply(id, Status::Ok, text.len(), false, Bytes::from_static(text))
    }

    #[tokio::test]
    async fn each_answer_finds_its_caller() {
        let mut calls = InFlight::new();
        let (first, one) = open(&mut calls);
        let (second, two) = open(&mut calls);
        whole(&mut calls, second, b"two").unwrap();
        whole(&mut calls, first, b"one").unwrap();
        assert!(matches!(one.answered().await, Reply::Ok(bytes) if bytes == "one"));
        assert!(matches!(two.answered().await, Reply::Ok(bytes) if bytes == "two"));
    }

    #[tokio::test]
    async fn a_refusal_has_its_number_and_its_text() {
        let mut calls = InFlight::new();
        let (id, pending) = open(&mut calls);
        let payload = Bytes::from_static(b"\x91\x01\0\0no such tenant");
        calls
            .reply(id, Status::Refused, payload.len(), false, payload)
            .unwrap();
        let reply = pending.answered().await;
        assert!(
            matches!(&reply, Reply::Refused(401, text) if text == "no such tenant"),
            "{reply:?}"
        );
    }

    #[test]
    fn a_late_answer_reaches_nobody_not_even_the_next_call_in_its_slot() {
        let mut calls = InFlight::new();
        let (first, _) = open(&mut calls);
        calls.forget(first);
        let (_, next) = open(&mut calls);
        assert_eq!(whole(&mut calls, first, b"late").unwrap(), 4);
        assert!(next.take().is_none());
    }

    #[test]
    fn the_budget_is_held_until_nothing_refers_to_the_call() {
        let budget = Budget::new();
        budget.grant(1, 100);
        let mut calls = InFlight::new();
        let reserved = budget.try_reserve(100).unwrap();
        let (id, pending) = calls.open(budget.call_permit().unwrap(), reserved).unwrap();
        calls.forget(id);
        assert!(budget.call_permit().is_err());
        assert!(budget.try_reserve(1).is_none());
        drop(pending);
        assert!(budget.call_permit().is_ok());
        assert!(budget.try_reserve(100).is_some());
    }

    #[test]
    fn an_answered_call_has_given_its_place_back_when_the_caller_hears_of_it() {
        let budget = Budget::new();
        budget.grant(1, 100);
        let mut calls = InFlight::new();
        let reserved = budget.try_reserve(1).unwrap();
        let (id, pending) = calls.open(budget.call_permit().unwrap(), reserved).unwrap();
        whole(&mut calls, id, b"answer").unwrap();
        assert!(budget.call_permit().is_ok());
        drop(pending);
        assert_eq!(budget.calls(), 0);
    }

    #[test]
    fn bytes_that_were_sent_come_back_from_the_other_side_only() {
        let budget = Budget::new();
        budget.grant(1, 100);
        let mut calls = InFlight::new();
        let reserved = budget.try_reserve(100).unwrap();
        let (id, pending) = calls.open(budget.call_permit().unwrap(), reserved).unwrap();
        assert!(pending.mark_sent());
        calls.forget(id);
        drop(pending);
        assert!(budget.try_reserve(1).is_none());
        assert!(budget.credit(0, 100));
        assert!(budget.try_reserve(100).is_some());
    }

    #[tokio::test]
    async fn an_answer_in_parts_is_put_together() {
        let mut calls = InFlight::new();
        let (id, pending) = open(&mut calls);
        assert_eq!(
            calls.reply(id, Status::Ok, 5, true, Bytes::from_static(b"ab")),
            Ok(0)
        );
        assert_eq!(calls.chunk(id, true, b"cd"), Ok(0));
        assert_eq!(calls.chunk(id, false, b"e"), Ok(5));
        assert!(matches!(pending.answered().await, Reply::Ok(bytes) if bytes == "abcde"));
    }

    #[test]
    fn an_answer_of_another_length_than_announced_is_refused() {
        let mut calls = InFlight::new();
        let (id, _pending) = open(&mut calls);
        let bytes = || Bytes::from_static(b"ab");
        assert_eq!(
            calls.reply(id, Status::Ok, 5, false, bytes()),
            Err(BadReply::WrongLength)
        );
        assert_eq!(
            calls.reply(id, Status::Ok, 2, true, bytes()),
            Err(BadReply::WrongLength)
        );
        assert_eq!(calls.reply(id, Status::Ok, 5, true, bytes()), Ok(0));
        assert_eq!(calls.chunk(id, true, b"cdef"), Err(BadReply::WrongLength));
    }

    #[tokio::test]
    async fn a_lost_link_ends_every_call_and_lets_none_begin() {
        let mut calls = InFlight::new();
        let (_, pending) = open(&mut calls);
        let cut = CloseReason::Lost("cut".into());
        calls.close(&cut);
        assert!(matches!(pending.answered().await, Reply::LinkLost(reason) if reason == cut));
        let budget = Budget::new();
        budget.grant(1, 1);
        let reserved = budget.try_reserve(0).unwrap();
        assert_eq!(
            calls.open(budget.call_permit().unwrap(), reserved).err(),
            Some(cut)
        );
    }

    #[test]
    fn a_call_is_either_sent_or_given_up() {
        let mut calls = InFlight::new();
        let (_, sent) = open(&mut calls);
        assert!(sent.mark_sent());
        assert!(!sent.abandon());
        let (_, given_up) = open(&mut calls);
        assert!(given_up.abandon());
        assert!(!given_up.mark_sent());
    }
}
