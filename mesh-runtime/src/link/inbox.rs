//! Arriving calls and tells, as pure state. It reassembles chunks. It knows nothing of handlers, or of what was granted
//! to the other side.

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

/// The data in the first frame of a call or a tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) kind: PayloadKind,
    pub(crate) id: u64,
    pub(crate) command: u32,
    pub(crate) deadline_ms: u32,
    /// Whether the payload begins with an extension block.
    pub(crate) extended: bool,
    pub(crate) total: usize,
}

/// A completely received call or tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) opening: Opening,
    pub(crate) payload: Bytes,
}

/// The calls and tells that are arriving in parts on one link.
#[derive(Default)]
pub(crate) struct Inbox {
    partial: HashMap<(PayloadKind, u64), (Opening, BytesMut)>,
}

impl Inbox {
    /// Takes the first frame of a call or tell. Returns the call or tell if it is complete.
    pub(crate) fn open(
        &mut self,
        opening: Opening,
        more: bool,
        payload: Bytes,
    ) -> Result<Option<Arrived>, Overrun> {
        if payload.len() > opening.total || (payload.len() == opening.total) == more {
            return Err(Overrun::WrongLength);
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

    /// Takes a further part. Parts of a call that was cancelled in the meantime are ignored.
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

    /// Drops the parts of a cancelled call that have arrived. Returns the number of payload bytes that this consumes.
    pub(crate) fn cancel(&mut self, call: u64) -> usize {
        self.partial
            .remove(&(PayloadKind::Call, call))
            .map_or(0, |(opening, _)| opening.total)
    }
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
            extended: false,
            total,
        }
    }

    #[test]
    fn chunks_of_two_calls_are_put_together_apart() {
        let mut inbox = Inbox::default();
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
    fn a_wrong_length_is_caught_in_the_first_part_and_in_the_last() {
        let mut inbox = Inbox::default();
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
    fn a_cancelled_call_gives_its_bytes_up_and_its_late_parts_are_ignored() {
        let mut inbox = Inbox::default();
        let opening = opening(PayloadKind::Call, 1, 8);
        inbox.open(opening, true, Bytes::from_static(b"a")).unwrap();
        assert_eq!(inbox.cancel(1), 8);
        assert_eq!(inbox.cancel(1), 0);
        assert_eq!(
            inbox.chunk(PayloadKind::Call, 1, false, b"bcdefgh"),
            Ok(None)
        );
    }
}
