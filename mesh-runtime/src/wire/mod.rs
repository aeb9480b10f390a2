//! What crosses the network, as pure code: encoding, frames, envelopes, the handshake and the cipher.
//!
//! `docs/protocol.md` is the specification, and its test vectors are checked here. Nothing in here does I/O, reads the
//! clock, or knows of sockets, tasks or schemas.

pub(crate) mod cipher;
pub(crate) mod codec;
pub(crate) mod control;
pub(crate) mod envelope;
pub(crate) mod extensions;
pub(crate) mod frame;
pub(crate) mod frame_error;
pub(crate) mod handshake;
pub(crate) mod hello;
pub(crate) mod job_options;
pub(crate) mod secretbox;
pub(crate) mod status;
#[cfg(test)]
mod vectors;

/// The protocol version that this code implements.
pub(crate) const VERSION: u8 = 2;
