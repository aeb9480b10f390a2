//! The bytes that a value is decoded from, and the plain values in them.

use super::limits::EmptyElements;
use super::problem::{Error, Problem};
use super::{LONG_U16, LONG_U32, LONG_U64, LONG_U128, SHORT_MAX};

/// The bytes, and how many of them have been read.
#[derive(Clone, Copy)]
pub(super) struct Input<'de> {
    bytes: &'de [u8],
    read: usize,
    empty: EmptyElements,
}

impl<'de> Input<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self {
            bytes,
            read: 0,
            empty: EmptyElements::all(),
        }
    }

    /// How many bytes have been read.
    #[inline]
    pub(super) fn read(&self) -> usize {
        self.read
    }

    /// The bytes that have not been read.
    #[inline]
    pub(super) fn rest(&self) -> &'de [u8] {
        self.bytes.get(self.read..).unwrap_or_default()
    }

    /// Must be called after each element of a list or map, with the number of bytes that had been read before it.
    #[inline]
    pub(super) fn end_element(&mut self, read_before: usize) -> Result<(), Error> {
        if self.read == read_before {
            return self.empty.count();
        }
        Ok(())
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        let Some(byte) = self.bytes.get(self.read) else {
            return Err(Problem::End.into());
        };
        self.read += 1;
        Ok(*byte)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let Some(array) = self.rest().first_chunk() else {
            return Err(Problem::End.into());
        };
        self.read += N;
        Ok(*array)
    }

    #[inline]
    fn slice(&mut self, len: usize) -> Option<&'de [u8]> {
        let slice = self.rest().get(..len)?;
        self.read += len;
        Some(slice)
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
        let most = self.rest().len() as u64 + u64::from(self.empty.left());
        match usize::try_from(count) {
            Ok(len) if count <= most => Ok(len),
            _ => Err(Problem::Length.into()),
        }
    }

    /// A length in bytes, and as many bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'de [u8], Error> {
        let len = usize::try_from(self.u64()?).ok();
        match len.and_then(|len| self.slice(len)) {
            Some(bytes) => Ok(bytes),
            None => Err(Problem::Length.into()),
        }
    }

    #[inline]
    pub(super) fn text(&mut self) -> Result<&'de str, Error> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Problem::Text.into())
    }

    pub(super) fn char(&mut self) -> Result<char, Error> {
        // The first byte of UTF-8 says how many bytes there are.
        let len = match self.rest().first() {
            Some(0..=0x7f) => 1,
            Some(0xc2..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf4) => 4,
            Some(_) => return Err(Problem::Char.into()),
            None => return Err(Problem::End.into()),
        };
        let utf8 = self.slice(len).ok_or(Problem::End)?;
        let text = std::str::from_utf8(utf8).map_err(|_| Problem::Char)?;
        text.chars().next().ok_or_else(|| Problem::Char.into())
    }
}
