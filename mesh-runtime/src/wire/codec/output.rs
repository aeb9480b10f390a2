//! The bytes of a value that is being encoded: kept up to a limit, counted beyond it.

use bytes::Bytes;

use super::limits::EmptyElements;
use super::problem::Error;
use super::{LONG_U16, LONG_U32, LONG_U64, LONG_U128, SHORT_MAX};
use crate::error::CodecError;

/// The initial capacity, in bytes. Most arguments and answers never outgrow it.
const ROOM: usize = 128;

/// Below this capacity, in bytes, growing makes it four times as large; above it, twice as large.
const GROWS_FAST: usize = 4096;

/// What was written so far.
pub(super) struct Output {
    bytes: Vec<u8>,
    /// How many bytes were written before those in `bytes`. More than 0 only if the limit is exceeded: the buffer then
    /// only spares the check for each write.
    dropped: usize,
    limit: usize,
    empty: EmptyElements,
}

/// A position in the output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    len: usize,
    dropped: usize,
}

impl Output {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(ROOM.min(limit)),
            dropped: 0,
            limit,
            empty: EmptyElements::all(),
        }
    }

    /// The bytes, unless they are more than the limit.
    pub(super) fn finish(self) -> Result<Bytes, CodecError> {
        let size = self.size();
        if size > self.limit {
            return Err(CodecError::TooLarge {
                size,
                limit: self.limit,
            });
        }
        Ok(Bytes::from(self.bytes))
    }

    /// How many bytes it has memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    fn size(&self) -> usize {
        self.dropped.saturating_add(self.bytes.len())
    }

    #[inline]
    pub(super) fn position(&self) -> Position {
        Position {
            len: self.bytes.len(),
            dropped: self.dropped,
        }
    }

    /// Must be called after each element of a list or map, with the position before it.
    #[inline]
    pub(super) fn end_element(&mut self, start: Position) -> Result<(), Error> {
        if self.position() == start {
            return self.empty.count();
        }
        Ok(())
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        if self.bytes.len() == self.bytes.capacity() {
            self.make_room(1);
        }
        self.bytes.push(byte);
    }

    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let fits = bytes.len() <= self.bytes.capacity() - self.bytes.len();
        if fits || self.make_room(bytes.len()) {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// A number of up to 64 bits, or a length.
    #[inline]
    pub(super) fn number(&mut self, number: u64) {
        if number <= u64::from(SHORT_MAX) {
            self.byte(number as u8);
        } else {
            self.long_number(number);
        }
    }

    fn long_number(&mut self, number: u64) {
        if let Ok(number) = u16::try_from(number) {
            let [a, b] = number.to_le_bytes();
            self.write(&[LONG_U16, a, b]);
        } else if let Ok(number) = u32::try_from(number) {
            let [a, b, c, d] = number.to_le_bytes();
            self.write(&[LONG_U32, a, b, c, d]);
        } else {
            let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
            self.write(&[LONG_U64, a, b, c, d, e, f, g, h]);
        }
    }

    pub(super) fn wide_number(&mut self, number: u128) {
        match u64::try_from(number) {
            Ok(number) => self.number(number),
            Err(_) => {
                self.byte(LONG_U128);
                self.write(&number.to_le_bytes());
            }
        }
    }

    /// The length of a list or map. Each element will take a byte or more, if it is not one of the few without bytes.
    #[inline]
    pub(super) fn length(&mut self, len: usize) {
        self.number(len as u64);
        if len > self.bytes.capacity() - self.bytes.len() && self.dropped == 0 {
            let left = self.limit.saturating_sub(self.bytes.len());
            self.reserve(len.min(left));
        }
    }

    #[cold]
    fn reserve(&mut self, additional: usize) {
        let capacity = self.bytes.capacity();
        let factor = if capacity < GROWS_FAST { 4 } else { 2 };
        let grown = capacity.saturating_mul(factor).min(self.limit);
        let wanted = grown.max(self.bytes.len().saturating_add(additional));
        self.bytes.reserve_exact(wanted - self.bytes.len());
    }

    /// Makes room for this many bytes. Returns `false` if they are over the limit and have been counted instead.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, additional: usize) -> bool {
        let within = self
            .size()
            .checked_add(additional)
            .is_some_and(|size| size <= self.limit);
        if within {
            self.reserve(additional);
            return true;
        }
        self.dropped = self.size();
        self.bytes.clear();
        if additional <= self.bytes.capacity().max(1) {
            return true;
        }
        self.dropped = self.dropped.saturating_add(additional);
        false
    }
}
