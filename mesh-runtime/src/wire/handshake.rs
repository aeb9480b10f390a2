//! The handshake that opens a link: Noise `NNpsk0_25519_ChaChaPoly_BLAKE2s`, two messages, then a key for each
//! direction.
//!
//! **The responder must not trust the initiator before the initiator's first envelope opens.** Anyone can replay a
//! recorded first message, and this side will answer it. Only the peer that created the message can seal an envelope
//! with the resulting keys. Until that envelope arrives, the caller keeps no state about the peer except a short
//! deadline.
//!
//! This module must not know which nodes and links exist: the caller decides whom to accept.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use snow::{Builder, HandshakeState, params::NoiseParams};
use zeroize::Zeroizing;

use super::{
    VERSION,
    cipher::{Direction, Opener, Sealer, SessionKeys},
    codec, extensions,
    hello::{
        Hello, MAX_COMMANDS, MAX_NAME, SecondMessage, Welcome, refusal_code, refusal_from_code,
    },
};
use crate::{
    error::{CodecError, Refusal},
    keys::{DerivedKeys, KeyId, MeshKey},
};

/// The longest handshake message, in bytes.
pub(crate) const MAX_HANDSHAKE: usize = 60 * 1024;
/// The longest text of a refusal, in bytes.
const MAX_REFUSAL_TEXT: usize = 1024;

const NOISE: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";
const PROLOGUE_LABEL: &[u8] = b"mesh/2 handshake";
/// What Noise adds to the payload of either message: an ephemeral key and a tag.
const NOISE_OVERHEAD: usize = 32 + 16;
/// Length of the version, the kind and the key id in front of the first message, in bytes.
const FIRST_HEADER: usize = 1 + 1 + 8;
/// The kind of handshake in which both sides hold the same key. The only one that there is.
const SHARED_KEY: u8 = 1;

/// First byte of an encrypted answer, to a first message that could be decrypted.
const SEALED: u8 = 1;
/// First byte of an answer in the clear, to a first message that could not be decrypted.
const CLEAR: u8 = 2;

/// What is in front of the first message, in the clear.
fn header(key: KeyId) -> Vec<u8> {
    [&[VERSION, SHARED_KEY], &key.0[..]].concat()
}

/// The Noise prologue. It authenticates the header of the first message.
fn prologue(key: KeyId) -> Vec<u8> {
    [PROLOGUE_LABEL, &header(key)].concat()
}

/// A value, and behind it an extension block.
fn encode<T: Serialize>(value: &T, extensions: &[u8], limit: usize) -> Result<Bytes, CodecError> {
    let encoded = codec::encode(value, limit)?;
    let size = encoded.len() + extensions.len();
    if size > limit {
        return Err(CodecError::TooLarge { size, limit });
    }
    Ok([&encoded[..], extensions].concat().into())
}

/// Reads a value, and the extension block behind it. Entries of types that this code does not know are skipped.
fn decode<T: DeserializeOwned>(payload: &[u8]) -> Option<(T, Bytes)> {
    let (value, block) = codec::decode_prefix(payload).ok()?;
    extensions::check(block).ok()?;
    Some((value, Bytes::copy_from_slice(block)))
}

fn noise<'a>(key: &'a MeshKey, prologue: &'a [u8]) -> Result<Builder<'a>, snow::Error> {
    let params: NoiseParams = NOISE.parse()?;
    Builder::new(params).prologue(prologue)?.psk(0, &key.psk)
}

fn write(state: &mut HandshakeState, header: &[u8], payload: &[u8]) -> Result<Bytes, snow::Error> {
    let mut message = header.to_vec();
    message.resize(header.len() + payload.len() + NOISE_OVERHEAD, 0);
    let written = state.write_message(payload, &mut message[header.len()..])?;
    message.truncate(header.len() + written);
    Ok(message.into())
}

fn read(state: &mut HandshakeState, message: &[u8]) -> Result<Vec<u8>, snow::Error> {
    let mut payload = vec![0; message.len()];
    let read = state.read_message(message, &mut payload)?;
    payload.truncate(read);
    Ok(payload)
}

/// The keys of a finished handshake: the initiator's sending key, then the responder's.
fn split(mut state: HandshakeState) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    let (from_initiator, from_responder) = state.dangerously_get_raw_split();
    (
        Zeroizing::new(from_initiator),
        Zeroizing::new(from_responder),
    )
}

/// The side that dialled, after it has created its message and before it reads the answer.
pub(crate) struct Initiator {
    state: HandshakeState,
}

impl Initiator {
    /// Creates the first message.
    pub(crate) fn start(
        keys: &DerivedKeys,
        hello: &Hello,
    ) -> Result<(Self, Bytes), HandshakeError> {
        let key = keys.dialling();
        let prologue = prologue(key.id);
        Self::start_with(noise(key, &prologue)?, key.id, hello)
    }

    fn start_with(
        noise: Builder<'_>,
        key: KeyId,
        hello: &Hello,
    ) -> Result<(Self, Bytes), HandshakeError> {
        if !hello.is_valid() {
            return Err(HandshakeError::BadHello);
        }
        let limit = MAX_HANDSHAKE - NOISE_OVERHEAD - FIRST_HEADER;
        let payload = encode(hello, &hello.extensions, limit).map_err(HandshakeError::Encode)?;
        let mut state = noise.build_initiator()?;
        let message = write(&mut state, &header(key), &payload)?;
        Ok((Self { state }, message))
    }

    /// Reads the answer. With the returned keys, this side may send and receive envelopes at once.
    pub(crate) fn finish(mut self, reply: &[u8]) -> Result<(Welcome, SessionKeys), HandshakeError> {
        if reply.len() > MAX_HANDSHAKE {
            return Err(HandshakeError::Malformed("it is too long"));
        }
        let message = match reply.split_first() {
            Some((&SEALED, message)) => message,
            Some((&CLEAR, &[code])) => return Err(refused(code, false)),
            _ => return Err(HandshakeError::Malformed("it is no answer to a handshake")),
        };
        let payload = read(&mut self.state, message)
            .map_err(|_| HandshakeError::Malformed("it does not open"))?;
        let (answer, block) =
            decode(&payload).ok_or(HandshakeError::Malformed("what it holds is unreadable"))?;
        match answer {
            SecondMessage::Welcome(mut welcome) if welcome.is_valid() => {
                welcome.extensions = block;
                let (own, other) = split(self.state);
                let keys = SessionKeys {
                    sealer: Sealer::new(&own, Direction::FromInitiator),
                    opener: Opener::new(&other, Direction::FromResponder),
                };
                Ok((welcome, keys))
            }
            SecondMessage::Welcome(_) => {
                Err(HandshakeError::Malformed("its names or lists are too long"))
            }
            SecondMessage::Refused { code, .. } => Err(refused(code, true)),
        }
    }
}

fn refused(code: u8, authenticated: bool) -> HandshakeError {
    match refusal_from_code(code) {
        Some(refusal) => HandshakeError::Refused {
            refusal,
            authenticated,
        },
        None => HandshakeError::UnknownRefusal {
            code,
            authenticated,
        },
    }
}

/// The side that was dialled, after it has read the first message and before it answers.
pub(crate) struct Responder {
    state: HandshakeState,
}

impl Responder {
    /// Reads the first message, which may be a replay: see the module documentation.
    pub(crate) fn read(keys: &DerivedKeys, message: &[u8]) -> Result<(Self, Hello), RefusedHello> {
        let (key, message) = Self::choose_key(keys, message).map_err(RefusedHello::clear)?;
        let prologue = prologue(key.id);
        let noise = noise(key, &prologue).map_err(|_| RefusedHello::clear(Refusal::Malformed))?;
        Self::read_with(noise, message)
    }

    fn choose_key<'k, 'm>(
        keys: &'k DerivedKeys,
        message: &'m [u8],
    ) -> Result<(&'k MeshKey, &'m [u8]), Refusal> {
        if message.len() > MAX_HANDSHAKE {
            return Err(Refusal::Malformed);
        }
        let (version, rest) = message.split_first().ok_or(Refusal::Malformed)?;
        if *version != VERSION {
            return Err(Refusal::Version);
        }
        let (kind, rest) = rest.split_first().ok_or(Refusal::Malformed)?;
        if *kind != SHARED_KEY {
            return Err(Refusal::HandshakeKind);
        }
        let (id, noise_message) = rest.split_first_chunk().ok_or(Refusal::Malformed)?;
        if noise_message.len() < NOISE_OVERHEAD {
            return Err(Refusal::Malformed);
        }
        let key = keys.by_id(KeyId(*id)).ok_or(Refusal::WrongKey)?;
        Ok((key, noise_message))
    }

    fn read_with(noise: Builder<'_>, message: &[u8]) -> Result<(Self, Hello), RefusedHello> {
        let mut state = noise
            .build_responder()
            .map_err(|_| RefusedHello::clear(Refusal::Malformed))?;
        let payload =
            read(&mut state, message).map_err(|_| RefusedHello::clear(Refusal::WrongKey))?;
        let responder = Self { state };
        match decode::<Hello>(&payload) {
            Some((hello, extensions)) if hello.is_valid() => Ok((
                responder,
                Hello {
                    extensions,
                    ..hello
                },
            )),
            _ => Err(RefusedHello {
                refusal: Refusal::Malformed,
                reply: responder.refuse(Refusal::Malformed),
            }),
        }
    }

    /// Creates the answer that accepts the initiator, and the keys of the link.
    ///
    /// The keys prove nothing yet: the initiator is authenticated only when its first envelope opens.
    pub(crate) fn accept(
        mut self,
        welcome: &Welcome,
    ) -> Result<(Bytes, SessionKeys), HandshakeError> {
        let reply = self.answer(&SecondMessage::Welcome(welcome.clone()))?;
        let (other, own) = split(self.state);
        let keys = SessionKeys {
            sealer: Sealer::new(&own, Direction::FromResponder),
            opener: Opener::new(&other, Direction::FromInitiator),
        };
        Ok((reply, keys))
    }

    /// Creates the answer that refuses the initiator. It is encrypted, so it proves that it comes from a holder of the
    /// key.
    pub(crate) fn refuse(mut self, refusal: Refusal) -> Bytes {
        let mut text = refusal.to_string();
        text.truncate(text.floor_char_boundary(MAX_REFUSAL_TEXT));
        let code = refusal_code(refusal);
        self.answer(&SecondMessage::Refused { code, text })
            .unwrap_or_else(|_| in_the_clear(refusal))
    }

    fn answer(&mut self, answer: &SecondMessage) -> Result<Bytes, HandshakeError> {
        let extensions = match answer {
            SecondMessage::Welcome(welcome) => &welcome.extensions[..],
            SecondMessage::Refused { .. } => &[],
        };
        let payload = encode(answer, extensions, MAX_HANDSHAKE - NOISE_OVERHEAD - 1)
            .map_err(HandshakeError::Encode)?;
        Ok(write(&mut self.state, &[SEALED], &payload)?)
    }
}

fn in_the_clear(refusal: Refusal) -> Bytes {
    Bytes::copy_from_slice(&[CLEAR, refusal_code(refusal)])
}

/// A first message that was refused without asking the caller, because it is not valid or could not be decrypted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}")]
pub(crate) struct RefusedHello {
    /// What to send back before closing.
    pub(crate) reply: Bytes,
    /// For the log.
    pub(crate) refusal: Refusal,
}

impl RefusedHello {
    fn clear(refusal: Refusal) -> Self {
        Self {
            reply: in_the_clear(refusal),
            refusal,
        }
    }
}

/// Why a handshake failed on this side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HandshakeError {
    /// The other side refused this one.
    #[error("refused: {refusal}")]
    Refused {
        refusal: Refusal,
        /// Whether the refusal comes from a holder of the key. If not, anyone on the network path may have sent it, so
        /// try again later.
        authenticated: bool,
    },
    /// The other side refused this one for a reason that this version does not know.
    #[error("refused for a reason that this version does not know ({code})")]
    UnknownRefusal { code: u8, authenticated: bool },
    /// The answer is damaged, or is no answer to a handshake.
    #[error("the answer to the handshake is damaged: {0}")]
    Malformed(&'static str),
    /// This side's own hello message is not valid or exceeds the limits.
    #[error(
        "names must have 1 to {MAX_NAME} bytes, instance ids must be valid, and there may be {MAX_COMMANDS} commands"
    )]
    BadHello,
    /// A handshake message of this side could not be encoded.
    #[error("the introduction could not be encoded: {0}")]
    Encode(CodecError),
    /// The Noise library failed.
    #[error("the handshake failed: {0}")]
    Noise(String),
}

impl From<snow::Error> for HandshakeError {
    fn from(error: snow::Error) -> Self {
        Self::Noise(error.to_string())
    }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
pub(crate) mod tests;
