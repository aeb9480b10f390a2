//! Seals and opens the envelopes of one link: XSalsa20-Poly1305 with a nonce that is counted, not sent.
//!
//! Each direction of a link has its own key and its own counter, so an envelope opens only once, only in order and
//! only on the side that it is meant for. This module must not know what is in an envelope.

use bytes::{Bytes, BytesMut};
use zeroize::Zeroizing;

pub(crate) use super::secretbox::TAG;
use super::secretbox::{Nonce, SecretBox};

/// The first 15 bytes of every nonce. The sixteenth byte is the direction, the other eight are the counter.
const NONCE_LABEL: &[u8; 15] = b"mesh/1 envelope";

/// The direction in which envelopes travel. Besides the keys, this is a second protection against an envelope that is
/// reflected to its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the side that dialled.
    FromInitiator = 1,
    /// From the side that was dialled.
    FromResponder = 2,
}

/// The sealing half and the opening half of one side of a link, as the handshake derives them.
#[derive(Debug)]
pub(crate) struct SessionKeys {
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
}

/// Whether sealing is switched off: see `testing::set_sealing`. A normal build has no such switch.
#[cfg(mesh_sealing_switch)]
pub(crate) static SWITCHED_OFF: std::sync::atomic::AtomicBool =
    std::sync::atomic::AtomicBool::new(false);

#[cfg(mesh_sealing_switch)]
fn is_switched_off() -> bool {
    SWITCHED_OFF.load(std::sync::atomic::Ordering::SeqCst)
}

/// Seals what this side sends. The key is wiped when it is dropped.
pub(crate) struct Sealer {
    secret: SecretBox,
    nonces: NonceCounter,
}

impl Sealer {
    pub(crate) fn new(key: &Zeroizing<[u8; 32]>, direction: Direction) -> Self {
        Self {
            secret: SecretBox::new(key),
            nonces: NonceCounter::new(direction),
        }
    }

    /// Seals `plain` and puts the tag in front.
    ///
    /// The nonce is used up even if the result is never sent; in that case the other side cannot open any later
    /// envelope.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Result<Bytes, SealError> {
        let nonce = self.nonces.current().ok_or(SealError::Exhausted)?;
        #[cfg(mesh_sealing_switch)]
        if is_switched_off() {
            self.nonces.advance();
            return Ok([&[0; TAG], plain].concat().into());
        }
        let mut sealed = BytesMut::with_capacity(TAG + plain.len());
        self.secret
            .seal(&nonce, plain, &mut sealed)
            .ok_or(SealError::Cipher)?;
        self.nonces.advance();
        Ok(sealed.freeze())
    }
}

/// Opens what the other side sends. The key is wiped when it is dropped.
///
/// After the first envelope that does not open, every later one fails as well.
pub(crate) struct Opener {
    secret: SecretBox,
    nonces: NonceCounter,
    failed: bool,
}

impl Opener {
    pub(crate) fn new(key: &Zeroizing<[u8; 32]>, direction: Direction) -> Self {
        Self {
            secret: SecretBox::new(key),
            nonces: NonceCounter::new(direction),
            failed: false,
        }
    }

    /// Opens the next envelope. The caller must close the link on an error.
    pub(crate) fn open(&mut self, sealed: &[u8]) -> Result<Bytes, OpenError> {
        if self.failed {
            return Err(OpenError::AfterFailure);
        }
        let opened = self.try_open(sealed);
        self.failed = opened.is_err();
        opened
    }

    fn try_open(&mut self, sealed: &[u8]) -> Result<Bytes, OpenError> {
        let nonce = self.nonces.current().ok_or(OpenError::Exhausted)?;
        if sealed.len() < TAG {
            return Err(OpenError::TooShort(sealed.len()));
        }
        #[cfg(mesh_sealing_switch)]
        if is_switched_off() {
            self.nonces.advance();
            return Ok(Bytes::copy_from_slice(&sealed[TAG..]));
        }
        let plain = self.secret.open(&nonce, sealed).ok_or(OpenError::Forged)?;
        self.nonces.advance();
        Ok(plain.freeze())
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({})", self.nonces.counter)
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opener({})", self.nonces.counter)
    }
}

/// The nonces of one direction: a fixed prefix and a counter that never repeats.
struct NonceCounter {
    direction: Direction,
    counter: u64,
}

impl NonceCounter {
    fn new(direction: Direction) -> Self {
        Self {
            direction,
            counter: 0,
        }
    }

    /// The nonce of the next envelope. The last value of the counter is never used, so that it cannot wrap.
    fn current(&self) -> Option<Nonce> {
        if self.counter == u64::MAX {
            return None;
        }
        let mut nonce = Nonce::default();
        nonce[..15].copy_from_slice(NONCE_LABEL);
        nonce[15] = self.direction as u8;
        nonce[16..].copy_from_slice(&self.counter.to_le_bytes());
        Some(nonce)
    }

    fn advance(&mut self) {
        self.counter = self.counter.saturating_add(1);
    }
}

/// Why an envelope could not be sealed. The link must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SealError {
    #[error("the link has sent all the envelopes that its keys allow: dial again")]
    Exhausted,
    #[error("the cipher failed")]
    Cipher,
}

/// Why an envelope did not open. The link must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum OpenError {
    #[error("an envelope of {0} bytes is shorter than its tag")]
    TooShort(usize),
    #[error("an envelope was forged, damaged, replayed or is missing before it")]
    Forged,
    #[error("the link has received all the envelopes that its keys allow: dial again")]
    Exhausted,
    #[error("an earlier envelope did not open")]
    AfterFailure,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Zeroizing<[u8; 32]> {
        Zeroizing::new([byte; 32])
    }

    fn pair() -> (Sealer, Opener) {
        let direction = Direction::FromInitiator;
        (
            Sealer::new(&key(1), direction),
            Opener::new(&key(1), direction),
        )
    }

    #[test]
    fn sealed_bytes_open_in_their_order() {
        let (mut sealer, mut opener) = pair();
        for plain in [&b"one"[..], b"", &[9; 70_000]] {
            let sealed = sealer.seal(plain).unwrap();
            assert_eq!(sealed.len(), plain.len() + TAG);
            assert_eq!(opener.open(&sealed).unwrap(), plain);
        }
    }

    #[test]
    fn equal_plaintexts_seal_differently() {
        let (mut sealer, _) = pair();
        let one = sealer.seal(b"same").unwrap();
        let two = sealer.seal(b"same").unwrap();
        assert_ne!(one, two);
    }

    #[test]
    fn a_replayed_envelope_fails() {
        let (mut sealer, mut opener) = pair();
        let sealed = sealer.seal(b"pay").unwrap();
        opener.open(&sealed).unwrap();
        assert_eq!(opener.open(&sealed), Err(OpenError::Forged));
    }

    #[test]
    fn reordered_and_left_out_envelopes_fail() {
        let (mut sealer, mut opener) = pair();
        let _first = sealer.seal(b"one").unwrap();
        let second = sealer.seal(b"two").unwrap();
        assert_eq!(opener.open(&second), Err(OpenError::Forged));
    }

    #[test]
    fn an_envelope_sent_back_to_its_sender_fails_even_under_one_key() {
        let (mut sealer, _) = pair();
        let mut own_opener = Opener::new(&key(1), Direction::FromResponder);
        let sealed = sealer.seal(b"echo").unwrap();
        assert_eq!(own_opener.open(&sealed), Err(OpenError::Forged));
    }

    #[test]
    fn another_key_fails() {
        let (mut sealer, _) = pair();
        let mut opener = Opener::new(&key(2), Direction::FromInitiator);
        let sealed = sealer.seal(b"x").unwrap();
        assert_eq!(opener.open(&sealed), Err(OpenError::Forged));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_fails() {
        let sealed = pair().0.seal(b"twelve bytes").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(pair().1.open(&flipped), Err(OpenError::Forged), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(pair().1.open(&sealed[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_failure_is_final() {
        let (mut sealer, mut opener) = pair();
        let good = sealer.seal(b"good").unwrap();
        assert_eq!(opener.open(b"short"), Err(OpenError::TooShort(5)));
        assert_eq!(opener.open(&good), Err(OpenError::AfterFailure));
    }

    #[test]
    fn a_counter_at_its_end_seals_and_opens_nothing_more() {
        let (mut sealer, mut opener) = pair();
        sealer.nonces.counter = u64::MAX - 1;
        opener.nonces.counter = u64::MAX - 1;
        let last = sealer.seal(b"last").unwrap();
        assert_eq!(opener.open(&last).unwrap(), &b"last"[..]);
        assert_eq!(sealer.seal(b"more"), Err(SealError::Exhausted));
        assert_eq!(opener.open(&last), Err(OpenError::Exhausted));
    }

    #[test]
    fn debug_output_holds_no_key() {
        let (sealer, opener) = pair();
        assert_eq!(format!("{sealer:?} {opener:?}"), "Sealer(0) Opener(0)");
    }
}
