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
use serde::{Deserialize, Serialize};
use snow::{Builder, HandshakeState, params::NoiseParams};
use zeroize::Zeroizing;

use super::{
    VERSION,
    cipher::{Direction, Opener, Sealer, SessionKeys},
    codec,
};
use crate::{
    error::{CodecError, Refusal},
    id::{BootEpoch, InstanceId, NodeId},
    keys::{DerivedKeys, KeyId, MeshKey},
};

/// The longest handshake message, in bytes.
pub(crate) const MAX_HANDSHAKE: usize = 60 * 1024;
/// The longest name of a mesh or node type, in bytes.
const MAX_NAME: usize = 256;
/// The maximum number of commands of one node type.
const MAX_COMMANDS: usize = 4096;
/// The longest text of a refusal, in bytes.
const MAX_REFUSAL_TEXT: usize = 1024;

const NOISE: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";
const PROLOGUE_LABEL: &[u8] = b"mesh/1 handshake";
/// What Noise adds to the payload of either message: an ephemeral key and a tag.
const NOISE_OVERHEAD: usize = 32 + 16;
/// Length of the version and key id in front of the first message, in bytes.
const FIRST_HEADER: usize = 1 + 8;

/// First byte of an encrypted answer, to a first message that could be decrypted.
const SEALED: u8 = 1;
/// First byte of an answer in the clear, to a first message that could not be decrypted.
const CLEAR: u8 = 2;

/// How the initiator introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) mesh: String,
    pub(crate) node_type: String,
    pub(crate) instance: InstanceId,
    pub(crate) epoch: BootEpoch,
    pub(crate) target: Target,
    pub(crate) schema: SchemaDigest,
}

/// The peer that the initiator wants to reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    Master,
    Node(NodeId),
}

/// How the responder introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Welcome {
    /// Empty for a master.
    pub(crate) node_type: String,
    pub(crate) instance: InstanceId,
    pub(crate) epoch: BootEpoch,
    pub(crate) schema: SchemaDigest,
}

/// What a side reveals of its schema: enough to check, for each command, whether both sides declare it alike.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct SchemaDigest {
    /// The fingerprint of the whole schema. A difference here alone never causes a refusal.
    pub(crate) fingerprint: u64,
    /// The id and fingerprint of each command that the sender serves.
    pub(crate) commands: Vec<(u32, u64)>,
}

impl SchemaDigest {
    fn is_valid(&self) -> bool {
        self.commands.len() <= MAX_COMMANDS
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME
}

fn is_node(node_type: &str, instance: &InstanceId) -> bool {
    is_name(node_type) && instance.is_valid()
}

impl Hello {
    fn is_valid(&self) -> bool {
        let target = match &self.target {
            Target::Master => true,
            Target::Node(node) => is_node(&node.node_type, &node.instance),
        };
        is_name(&self.mesh)
            && is_node(&self.node_type, &self.instance)
            && target
            && self.schema.is_valid()
    }
}

impl Welcome {
    fn is_valid(&self) -> bool {
        (self.node_type.is_empty() || is_name(&self.node_type))
            && self.instance.is_valid()
            && self.schema.is_valid()
    }
}

/// The payload of the second message.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum SecondMessage {
    Welcome(Welcome),
    Refused { code: u8, text: String },
}

/// The code of a refusal on the wire. Codes never change their meaning.
fn refusal_code(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::WrongKey => 1,
        Refusal::Version => 2,
        Refusal::WrongMesh => 3,
        Refusal::UnknownNodeType => 4,
        Refusal::NotAllowed => 5,
        Refusal::WrongTarget => 6,
        Refusal::Replaced => 7,
        Refusal::Duplicate => 8,
        Refusal::ShuttingDown => 9,
        Refusal::Full => 10,
        Refusal::Malformed => 11,
    }
}

fn refusal_from_code(code: u8) -> Option<Refusal> {
    Some(match code {
        1 => Refusal::WrongKey,
        2 => Refusal::Version,
        3 => Refusal::WrongMesh,
        4 => Refusal::UnknownNodeType,
        5 => Refusal::NotAllowed,
        6 => Refusal::WrongTarget,
        7 => Refusal::Replaced,
        8 => Refusal::Duplicate,
        9 => Refusal::ShuttingDown,
        10 => Refusal::Full,
        11 => Refusal::Malformed,
        _ => return None,
    })
}

/// The Noise prologue. It authenticates the version and the key id, which travel in the clear.
fn prologue(key: KeyId) -> Vec<u8> {
    [PROLOGUE_LABEL, &[VERSION], &key.0].concat()
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
        let payload = codec::encode(hello, MAX_HANDSHAKE - NOISE_OVERHEAD - FIRST_HEADER)
            .map_err(HandshakeError::Encode)?;
        let mut state = noise.build_initiator()?;
        let header = [&[VERSION], &key.0[..]].concat();
        let message = write(&mut state, &header, &payload)?;
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
        let answer = codec::decode(&payload)
            .map_err(|_| HandshakeError::Malformed("what it holds is unreadable"))?;
        match answer {
            SecondMessage::Welcome(welcome) if welcome.is_valid() => {
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
        match codec::decode::<Hello>(&payload) {
            Ok(hello) if hello.is_valid() => Ok((responder, hello)),
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
        let payload = codec::encode(answer, MAX_HANDSHAKE - NOISE_OVERHEAD - 1)
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
