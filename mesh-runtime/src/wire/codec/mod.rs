//! Values to bytes and back: the encoding of bincode 2 in its standard configuration, with limits.
//!
//! `docs/protocol.md`, section 9, describes the bytes. The tests compare them with those of bincode. This module must not
//! know what the values mean.

mod byte_list;
mod decode;
mod encode;
mod input;
mod limits;
mod one_byte;
mod output;
mod problem;
#[cfg(test)]
pub(crate) mod tests;

use std::marker::PhantomData;

use bytes::Bytes;
use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use self::{decode::Decoder, encode::Encoder, input::Input, output::Output, problem::Error};
use crate::error::CodecError;

/// The longest encoded arguments or answer, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 32 * 1024 * 1024;

/// How many options that are not `None`, enums, lists and maps may be inside one another. Other values cannot contain
/// themselves without one of these. So neither side can run out of stack.
const MAX_DEPTH: u32 = 128;

/// How many elements of lists, sets and maps may take no bytes, in one payload. Their number costs the sender nothing,
/// but the receiver has to make each of them.
const MAX_EMPTY: u32 = 65_536;

/// The greatest number in one byte.
const SHORT_MAX: u8 = 250;
/// These bytes precede a number of 2, 4, 8 and 16 bytes.
const LONG_U16: u8 = 251;
const LONG_U32: u8 = 252;
const LONG_U64: u8 = 253;
const LONG_U128: u8 = 254;

/// Encodes a value into at most `limit` bytes.
///
/// Bytes over the limit are counted, so that the error reports the full size, but they are not kept.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, limit: usize) -> Result<Bytes, CodecError> {
    let mut out = Output::new(limit);
    match value.serialize(Encoder::new(&mut out)) {
        Ok(()) => out.finish(),
        Err(error) => Err(CodecError::Encode(error.to_string())),
    }
}

/// Decodes a value that must take up all of `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode_as(PhantomData, bytes)
}

/// Decodes what `seed` reads, which must take up all of `bytes`.
pub(crate) fn decode_as<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> Result<S::Value, CodecError> {
    match decode_prefix_as(seed, bytes)? {
        (value, []) => Ok(value),
        (_, rest) => Err(CodecError::Trailing(rest.len())),
    }
}

/// Decodes a value at the start of `bytes`, and returns it with the bytes that follow it.
pub(crate) fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), CodecError> {
    decode_prefix_as(PhantomData, bytes)
}

#[inline]
fn decode_prefix_as<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> Result<(S::Value, &'de [u8]), CodecError> {
    if bytes.len() > MAX_PAYLOAD {
        return Err(CodecError::TooLarge {
            size: bytes.len(),
            limit: MAX_PAYLOAD,
        });
    }
    let mut input = Input::new(bytes);
    match seed.deserialize(Decoder::new(&mut input)) {
        Ok(value) => Ok((value, input.rest())),
        Err(error) => Err(describe(&error, input.read())),
    }
}

/// The error of a value that cannot be decoded, after `read` bytes.
#[cold]
fn describe(error: &Error, read: usize) -> CodecError {
    CodecError::Decode(if error.is_about_length() {
        error.to_string()
    } else {
        format!("{error} (after {read} bytes)")
    })
}
