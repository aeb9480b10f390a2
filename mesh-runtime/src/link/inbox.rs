//! Calls and tells as they arrive, as pure state: puts chunks together and sees to it that the other side keeps
//! within what it was granted. Knows nothing of handlers.

use std::collections::{HashMap, hash_map::Entry};

use bytes::{Bytes, BytesMut};

use crate::wire::frame::PayloadKind;

/// How the other side broke the protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Overrun {
    #[error("more payload bytes than were granted")]
    Bytes,
    #[error("more calls or tells at once than were granted")]
    Calls,
    #[error("a payload holds more or fewer bytes than it announced")]
    WrongLength,
    #[error("an id was used twice")]
    IdTwice,
}

/// What opens a call or a tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) kind: PayloadKind,
    pub(crate) id: u64,
    pub(crate) command: u32,
    pub(crate) deadline_ms: u32,
    pub(crate) total: usize,
}

/// A whole call or tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) opening: Opening,
    pub(crate) payload: Bytes,
}

/// What is arriving on one link, and what is owed back for it.
pub(crate) struct Inbox {
    call_limit: usize,
    byte_limit: usize,
    outstanding_bytes: usize,
    outstanding_tells: usize,
    owed_bytes: usize,
    owed_tells: usize,
    /// What must have come together before it is given back.
    due_bytes: usize,
    due_tells: usize,
    partial: HashMap<(PayloadKind, u64), (Opening, BytesMut)>,
}

impl Inbox {
    /// Grants the other side that much at once.
    pub(crate) fn new(call_limit: usize, byte_limit: usize) -> Self {
        Self {
            call_limit,
            byte_limit,
            outstanding_bytes: 0,
            outstanding_tells: 0,
            owed_bytes: 0,
            owed_tells: 0,
            due_bytes: due(byte_limit),
            due_tells: due(call_limit),
            partial: HashMap::new(),
        }
    }

    /// The other side keeps itself to these limits, which may be smaller than what it was granted: what is owed must be
    /// given back before it runs dry.
    pub(crate) fn keep_pace_with(&mut self, call_limit: usize, byte_limit: usize) {
        self.due_tells = self.due_tells.min(due(call_limit));
        self.due_bytes = self.due_bytes.min(due(byte_limit));
    }

    /// The first frame of a call or tell.
    pub(crate) fn open(
        &mut self,
        opening: Opening,
        more: bool,
        payload: Bytes,
    ) -> Result<Option<Arrived>, Overrun> {
        if payload.len() > opening.total || (payload.len() == opening.total) == more {
            return Err(Overrun::WrongLength);
        }
        self.account_for(opening.total)?;
        if opening.kind == PayloadKind::Tell {
            if self.outstanding_tells >= self.call_limit {
                return Err(Overrun::Calls);
            }
            self.outstanding_tells += 1;
        }
        if !more {
            return Ok(Some(Arrived { opening, payload }));
        }
        match self.partial.entry((opening.kind, opening.id)) {
            Entry::Occupied(_) => Err(Overrun::IdTwice),
            Entry::Vacant(place) => {
                let mut bytes = BytesMut::with_capacity(opening.total);
                bytes.extend_from_slice(&payload);
                place.insert((opening, bytes));
                Ok(None)
            }
        }
    }

    /// A further part. Parts of a call that was cancelled meanwhile are ignored.
    pub(crate) fn chunk(
        &mut self,
        kind: PayloadKind,
        id: u64,
        more: bool,
        payload: &[u8],
    ) -> Result<Option<Arrived>, Overrun> {
        let Entry::Occupied(mut place) = self.partial.entry((kind, id)) else {
            return Ok(None);
        };
        let (opening, bytes) = place.get_mut();
        bytes.extend_from_slice(payload);
        if bytes.len() > opening.total || (bytes.len() == opening.total) == more {
            return Err(Overrun::WrongLength);
        }
        if more {
            return Ok(None);
        }
        let (opening, bytes) = place.remove();
        Ok(Some(Arrived {
            opening,
            payload: bytes.freeze(),
        }))
    }

    /// Takes the payload bytes of an answer into account, which [`super::in_flight`] puts together.
    pub(crate) fn account_for(&mut self, total: usize) -> Result<(), Overrun> {
        if total > self.byte_limit - self.outstanding_bytes {
            return Err(Overrun::Bytes);
        }
        self.outstanding_bytes += total;
        Ok(())
    }

    /// A call was cancelled: what came of it is dropped, and owed back.
    pub(crate) fn cancel(&mut self, call: u64) {
        if let Some((opening, _)) = self.partial.remove(&(PayloadKind::Call, call)) {
            self.consumed(opening.total);
        }
    }

    /// Payload bytes were handed on: they are owed back.
    pub(crate) fn consumed(&mut self, bytes: usize) {
        self.outstanding_bytes = self.outstanding_bytes.saturating_sub(bytes);
        self.owed_bytes += bytes;
    }

    /// A tell was worked off: its place is owed back.
    pub(crate) fn tell_done(&mut self) {
        self.outstanding_tells = self.outstanding_tells.saturating_sub(1);
        self.owed_tells += 1;
    }

    /// What is to be given back now, as tells and bytes: once an eighth of what the other side may use has come together,
    /// so that credit frames stay rare and the other side never runs dry.
    pub(crate) fn take_due(&mut self) -> Option<(usize, usize)> {
        let due = self.owed_bytes >= self.due_bytes || self.owed_tells >= self.due_tells;
        due.then(|| {
            (
                std::mem::take(&mut self.owed_tells),
                std::mem::take(&mut self.owed_bytes),
            )
        })
    }
}

/// How much of a limit comes together before it is given back.
fn due(limit: usize) -> usize {
    limit.div_ceil(8).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(kind: PayloadKind, id: u64, total: usize) -> Opening {
        Opening {
            kind,
            id,
            command: 1,
            deadline_ms: 3000,
            total,
        }
    }

    #[test]
    fn chunks_of_two_calls_are_put_together_apart() {
        let mut inbox = Inbox::new(8, 100);
        let (one, two) = (
            opening(PayloadKind::Call, 1, 3),
            opening(PayloadKind::Call, 2, 3),
        );
        assert_eq!(inbox.open(one, true, Bytes::from_static(b"a")), Ok(None));
        assert_eq!(inbox.open(two, true, Bytes::from_static(b"x")), Ok(None));
        assert_eq!(inbox.chunk(PayloadKind::Call, 1, true, b"b"), Ok(None));
        let arrived = inbox
            .chunk(PayloadKind::Call, 2, false, b"yz")
            .unwrap()
            .unwrap();
        assert_eq!((arrived.opening, &arrived.payload[..]), (two, &b"xyz"[..]));
        let arrived = inbox
            .chunk(PayloadKind::Call, 1, false, b"c")
            .unwrap()
            .unwrap();
        assert_eq!((arrived.opening, &arrived.payload[..]), (one, &b"abc"[..]));
    }

    #[test]
    fn whoever_sends_more_than_was_granted_is_caught() {
        let mut inbox = Inbox::new(1, 4);
        assert!(
            inbox.open(opening(PayloadKind::Call, 1, 5), true, Bytes::new()) == Err(Overrun::Bytes)
        );
        let tell = |id| opening(PayloadKind::Tell, id, 0);
        assert!(inbox.open(tell(1), false, Bytes::new()).is_ok());
        assert_eq!(
            inbox.open(tell(2), false, Bytes::new()),
            Err(Overrun::Calls)
        );
        inbox.tell_done();
        assert!(inbox.open(tell(3), false, Bytes::new()).is_ok());
    }

    #[test]
    fn a_wrong_length_is_caught_in_the_first_part_and_in_the_last() {
        let mut inbox = Inbox::new(8, 100);
        let call = |id| opening(PayloadKind::Call, id, 2);
        assert_eq!(
            inbox.open(call(1), false, Bytes::from_static(b"a")),
            Err(Overrun::WrongLength)
        );
        assert_eq!(
            inbox.open(call(2), true, Bytes::from_static(b"ab")),
            Err(Overrun::WrongLength)
        );
        assert_eq!(
            inbox.open(call(3), true, Bytes::from_static(b"a")),
            Ok(None)
        );
        assert_eq!(
            inbox.chunk(PayloadKind::Call, 3, false, b"bc"),
            Err(Overrun::WrongLength)
        );
    }

    #[test]
    fn what_was_consumed_is_owed_back_in_lots() {
        let mut inbox = Inbox::new(8, 80);
        inbox
            .open(
                opening(PayloadKind::Call, 1, 12),
                false,
                Bytes::from(vec![0; 12]),
            )
            .unwrap();
        inbox.consumed(5);
        assert_eq!(inbox.take_due(), None);
        inbox.consumed(7);
        assert_eq!(inbox.take_due(), Some((0, 12)));
        assert_eq!(inbox.take_due(), None);
    }

    #[test]
    fn a_side_that_keeps_itself_to_less_gets_it_back_in_time() {
        let mut inbox = Inbox::new(1000, 1_000_000);
        inbox.keep_pace_with(8, 80);
        let tell = opening(PayloadKind::Tell, 1, 9);
        inbox.open(tell, false, Bytes::from(vec![0; 9])).unwrap();
        inbox.consumed(9);
        assert_eq!(inbox.take_due(), None);
        inbox.tell_done();
        assert_eq!(inbox.take_due(), Some((1, 9)));
        inbox.consumed(10);
        assert_eq!(inbox.take_due(), Some((0, 10)));
    }

    #[test]
    fn a_cancelled_call_owes_its_bytes_back_and_its_late_parts_are_ignored() {
        let mut inbox = Inbox::new(8, 8);
        inbox
            .open(
                opening(PayloadKind::Call, 1, 8),
                true,
                Bytes::from_static(b"a"),
            )
            .unwrap();
        inbox.cancel(1);
        assert_eq!(inbox.take_due(), Some((0, 8)));
        assert_eq!(
            inbox.chunk(PayloadKind::Call, 1, false, b"bcdefgh"),
            Ok(None)
        );
    }
}
