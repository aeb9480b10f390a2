//! Sealed batches of frames. After the tag come `ack: u32 LE, frames`.
//!
//! `ack` is the number of envelopes with frames in them that the sender of this envelope has received on the link. It
//! tells the other side how much is still in flight. This module must not know how envelopes travel, nor how many may
//! be in flight.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    cipher::{OpenError, Opener, SealError, Sealer, TAG},
    frame::{Frame, Frames},
};

/// The longest envelope before sealing, in bytes.
pub(crate) const MAX_ENVELOPE: usize = 256 * 1024;
/// Length of the acknowledgement, in bytes.
const ACK: usize = 4;

/// Collects frames for one envelope.
#[derive(Debug)]
pub(crate) struct EnvelopeBuilder {
    /// Space for the acknowledgement, then frames.
    buffer: BytesMut,
    frames: usize,
}

impl EnvelopeBuilder {
    /// An empty envelope with room for `frame_bytes` before it has to grow.
    pub(crate) fn with_capacity(frame_bytes: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(ACK + frame_bytes.min(MAX_ENVELOPE - ACK));
        buffer.put_bytes(0, ACK);
        Self { buffer, frames: 0 }
    }

    /// Appends a frame. Returns `false` if there is no room left for it; it must then go into the next envelope.
    ///
    /// An empty envelope has room for any frame that is within the limits for frames.
    #[must_use]
    pub(crate) fn push(&mut self, frame: &Frame) -> bool {
        let fits = self.buffer.len() + frame.encoded_len() <= MAX_ENVELOPE;
        if fits {
            frame.encode_into(&mut self.buffer);
            self.frames += 1;
        }
        fits
    }

    /// How many frames were pushed.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// Whether no frame was pushed. Such an envelope carries only an acknowledgement.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Seals the envelope. It must be sent as the next one, or the link must be closed.
    pub(crate) fn seal(mut self, ack: u32, sealer: &mut Sealer) -> Result<Bytes, SealError> {
        self.buffer[..ACK].copy_from_slice(&ack.to_le_bytes());
        sealer.seal(&self.buffer)
    }
}

/// An opened envelope.
#[derive(Debug)]
pub(crate) struct Envelope {
    /// How many envelopes with frames the sender has received. The number wraps around.
    pub(crate) ack: u32,
    pub(crate) frames: Frames,
}

impl Envelope {
    /// Opens the next envelope of a link. The link must close on an error.
    pub(crate) fn open(sealed: Bytes, opener: &mut Opener) -> Result<Self, EnvelopeError> {
        if sealed.len() > MAX_ENVELOPE + TAG {
            return Err(EnvelopeError::TooLong(sealed.len()));
        }
        let mut plain = opener.open(&sealed)?;
        let ack = plain.try_get_u32_le().map_err(|_| EnvelopeError::NoAck)?;
        Ok(Self {
            ack,
            frames: Frames::new(plain),
        })
    }

    /// Whether this envelope counts. Only envelopes with frames are acknowledged and take up room in the window, so an
    /// acknowledgement never has to wait for another one.
    pub(crate) fn counts(&self) -> bool {
        !self.frames.is_empty()
    }
}

/// Why an envelope was refused. The link must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EnvelopeError {
    #[error("an envelope of {0} bytes is longer than {MAX_ENVELOPE} and its tag")]
    TooLong(usize),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("an envelope has no acknowledgement")]
    NoAck,
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::wire::{
        cipher::Direction,
        frame::{FirstPart, MAX_CHUNK},
        frame_error::FrameError,
    };

    fn pair() -> (Sealer, Opener) {
        let key = Zeroizing::new([3; 32]);
        let direction = Direction::FromResponder;
        (Sealer::new(&key, direction), Opener::new(&key, direction))
    }

    fn seal_raw(plain: &[u8], sealer: &mut Sealer) -> Bytes {
        sealer.seal(plain).unwrap()
    }

    #[test]
    fn frames_and_acknowledgement_come_back() {
        let (mut sealer, mut opener) = pair();
        let frames = [
            Frame::Ping { token: 1 },
            Frame::Draining,
            Frame::Cancel { call: 2 },
        ];
        for ack in [0, 7, u32::MAX] {
            let mut builder = EnvelopeBuilder::with_capacity(64);
            assert!(builder.is_empty());
            assert!(frames.iter().all(|frame| builder.push(frame)));
            let len = builder.buffer.len();
            let sealed = builder.seal(ack, &mut sealer).unwrap();
            assert_eq!(sealed.len(), len + TAG);
            let envelope = Envelope::open(sealed, &mut opener).unwrap();
            assert!(envelope.counts());
            assert_eq!(envelope.ack, ack);
            let opened: Result<Vec<_>, _> = envelope.frames.collect();
            assert_eq!(opened.unwrap(), frames);
        }
    }

    #[test]
    fn an_envelope_without_frames_acknowledges_and_does_not_count() {
        let (mut sealer, mut opener) = pair();
        let sealed = EnvelopeBuilder::with_capacity(0)
            .seal(5, &mut sealer)
            .unwrap();
        assert_eq!(sealed.len(), TAG + ACK);
        let envelope = Envelope::open(sealed, &mut opener).unwrap();
        assert!(!envelope.counts());
        assert_eq!(envelope.ack, 5);
    }

    #[test]
    fn a_full_envelope_takes_no_more_and_is_within_the_limit() {
        let (mut sealer, mut opener) = pair();
        let chunk = Frame::Tell {
            tell: 1,
            command: 2,
            part: FirstPart::whole(vec![0; MAX_CHUNK].into()),
        };
        let mut builder = EnvelopeBuilder::with_capacity(MAX_ENVELOPE);
        let pushed = std::iter::repeat_with(|| builder.push(&chunk)).take_while(|fits| *fits);
        assert_eq!(pushed.count(), 3);
        while builder.push(&Frame::Draining) {}
        assert!(builder.buffer.len() > MAX_ENVELOPE - 5);
        let sealed = builder.seal(0, &mut sealer).unwrap();
        assert!(Envelope::open(sealed, &mut opener).is_ok());
    }

    #[test]
    fn an_envelope_over_the_limit_is_refused_unopened() {
        let (mut sealer, mut opener) = pair();
        let sealed = seal_raw(&vec![0; MAX_ENVELOPE + 1], &mut sealer);
        assert_eq!(
            Envelope::open(sealed, &mut opener).unwrap_err(),
            EnvelopeError::TooLong(MAX_ENVELOPE + 1 + TAG)
        );
    }

    #[test]
    fn an_envelope_without_acknowledgement_is_refused() {
        let (mut sealer, mut opener) = pair();
        let sealed = seal_raw(&[1, 2, 3], &mut sealer);
        assert_eq!(
            Envelope::open(sealed, &mut opener).unwrap_err(),
            EnvelopeError::NoAck
        );
    }

    #[test]
    fn garbage_in_a_well_sealed_envelope_is_an_error_of_its_frame() {
        let (mut sealer, mut opener) = pair();
        let sealed = seal_raw(&[0, 0, 0, 0, 99, 0, 0, 0, 0], &mut sealer);
        let mut envelope = Envelope::open(sealed, &mut opener).unwrap();
        assert_eq!(
            envelope.frames.next(),
            Some(Err(FrameError::UnknownKind(99)))
        );
        assert_eq!(envelope.frames.next(), None);
    }

    #[test]
    fn replayed_and_damaged_envelopes_are_refused() {
        let (mut sealer, mut opener) = pair();
        let sealed = seal_raw(&[0; 4], &mut sealer);
        assert!(Envelope::open(sealed.clone(), &mut opener).is_ok());
        assert_eq!(
            Envelope::open(sealed, &mut opener).unwrap_err(),
            EnvelopeError::Open(OpenError::Forged)
        );
    }
}
