//! The bytes that a value is decoded from, and the plain values in them.

use super::problem::{Error, Problem};
use super::{LONG_U16, LONG_U32, LONG_U64, LONG_U128, MAX_EMPTY, SHORT_MAX};

/// What is left of the input.
#[derive(Clone, Copy)]
pub(super) struct Input<'de> {
    rest: &'de [u8],
    /// How many more elements of lists and maps may take no bytes.
    empty_left: u32,
}

impl<'de> Input<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self {
            rest: bytes,
            empty_left: MAX_EMPTY,
        }
    }

    #[inline]
    pub(super) fn rest(&self) -> &'de [u8] {
        self.rest
    }

    /// Must be called after each element of a list or map, with the number of bytes that were left before it.
    #[inline]
    pub(super) fn end_element(&mut self, left_before: usize) -> Result<(), Error> {
        if self.rest.len() == left_before {
            return self.count_empty();
        }
        Ok(())
    }

    #[cold]
    fn count_empty(&mut self) -> Result<(), Error> {
        match self.empty_left.checked_sub(1) {
            Some(left) => {
                self.empty_left = left;
                Ok(())
            }
            None => Err(Problem::Empty.into()),
        }
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        let Some((byte, rest)) = self.rest.split_first() else {
            return Err(Problem::End.into());
        };
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let Some((array, rest)) = self.rest.split_first_chunk() else {
            return Err(Problem::End.into());
        };
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    fn slice(&mut self, len: usize) -> Result<&'de [u8], Error> {
        let Some((slice, rest)) = self.rest.split_at_checked(len) else {
            return Err(Problem::Length.into());
        };
        self.rest = rest;
        Ok(slice)
    }

    /// A number of up to 16 bits.
    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        match self.byte()? {
            byte if byte <= SHORT_MAX => Ok(byte.into()),
            LONG_U16 => Ok(u16::from_le_bytes(self.array()?)),
            byte => Err(Problem::Number(byte).into()),
        }
    }

    /// A number of up to 32 bits.
    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        match self.byte()? {
            byte if byte <= SHORT_MAX => Ok(byte.into()),
            byte => self.long_u32(byte),
        }
    }

    fn long_u32(&mut self, first: u8) -> Result<u32, Error> {
        match first {
            LONG_U16 => Ok(u16::from_le_bytes(self.array()?).into()),
            LONG_U32 => Ok(u32::from_le_bytes(self.array()?)),
            byte => Err(Problem::Number(byte).into()),
        }
    }

    /// A number of up to 64 bits.
    #[inline]
    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        match self.byte()? {
            byte if byte <= SHORT_MAX => Ok(byte.into()),
            byte => self.long_u64(byte),
        }
    }

    fn long_u64(&mut self, first: u8) -> Result<u64, Error> {
        match first {
            LONG_U64 => Ok(u64::from_le_bytes(self.array()?)),
            byte => self.long_u32(byte).map(u64::from),
        }
    }

    /// A number of up to 128 bits.
    pub(super) fn u128(&mut self) -> Result<u128, Error> {
        match self.byte()? {
            byte if byte <= SHORT_MAX => Ok(byte.into()),
            LONG_U128 => Ok(u128::from_le_bytes(self.array()?)),
            byte => self.long_u64(byte).map(u128::from),
        }
    }

    /// The number of elements of a list or map.
    ///
    /// Each needs a byte or more, or is one of the few that take none: a number above that is refused at once.
    #[inline]
    pub(super) fn count(&mut self) -> Result<usize, Error> {
        let count = self.u64()?;
        let most = self.rest.len() as u64 + u64::from(self.empty_left);
        match usize::try_from(count) {
            Ok(len) if count <= most => Ok(len),
            _ => Err(Problem::Length.into()),
        }
    }

    /// A length in bytes, and as many bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'de [u8], Error> {
        match usize::try_from(self.u64()?) {
            Ok(len) => self.slice(len),
            Err(_) => Err(Problem::Length.into()),
        }
    }

    #[inline]
    pub(super) fn text(&mut self) -> Result<&'de str, Error> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Problem::Text.into())
    }

    pub(super) fn char(&mut self) -> Result<char, Error> {
        // The first byte of UTF-8 says how many bytes there are.
        let len = match self.rest.first() {
            Some(0..=0x7f) => 1,
            Some(0xc2..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf4) => 4,
            Some(_) => return Err(Problem::Char.into()),
            None => return Err(Problem::End.into()),
        };
        let Some((utf8, rest)) = self.rest.split_at_checked(len) else {
            return Err(Problem::End.into());
        };
        let text = std::str::from_utf8(utf8).map_err(|_| Problem::Char)?;
        self.rest = rest;
        text.chars().next().ok_or_else(|| Problem::Char.into())
    }
}
