//! How much may be on its way unacknowledged, as pure state. Knows nothing of sockets or sealing.

use std::collections::VecDeque;

use super::outbox::Outbox;

/// Envelopes that may be on their way without an acknowledgement. The server side's socket queue, which holds 1,024
/// packets and cannot be asked how full it is, never fills up.
const ENVELOPE_WINDOW: u32 = 256;

/// Bytes of chunks that may be on their way without an acknowledgement: small frames wait behind no more than that.
pub(crate) const CHUNK_WINDOW: usize = 1024 * 1024;

/// What waits to be sent, and what is on its way.
#[derive(Default)]
pub(crate) struct Outbound {
    pub(crate) outbox: Outbox,
    /// Envelopes with frames that were sent; wraps.
    pub(crate) sent: u32,
    acked: u32,
    /// Envelopes with chunks that are not acknowledged: their number and bytes.
    chunks: VecDeque<(u32, usize)>,
    chunk_bytes: usize,
}

impl Outbound {
    pub(crate) fn may_send(&self) -> bool {
        self.sent.wrapping_sub(self.acked) < ENVELOPE_WINDOW
    }

    pub(crate) fn chunks_allowed(&self) -> bool {
        self.chunk_bytes < CHUNK_WINDOW
    }

    pub(crate) fn has_work(&self) -> bool {
        self.may_send() && self.outbox.has_work(self.chunks_allowed())
    }

    pub(crate) fn on_sent(&mut self, chunk_bytes: usize) {
        self.sent = self.sent.wrapping_add(1);
        if chunk_bytes > 0 {
            self.chunks.push_back((self.sent, chunk_bytes));
            self.chunk_bytes += chunk_bytes;
        }
    }

    /// False if more is acknowledged than was sent.
    pub(crate) fn on_ack(&mut self, ack: u32) -> bool {
        if ack.wrapping_sub(self.acked) > self.sent.wrapping_sub(self.acked) {
            return false;
        }
        self.acked = ack;
        while let Some((envelope, bytes)) = self.chunks.front().copied() {
            if ack.wrapping_sub(envelope) >= u32::MAX / 2 {
                break;
            }
            self.chunks.pop_front();
            self.chunk_bytes -= bytes;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_closes_at_its_size_and_opens_with_the_acknowledgement() {
        let mut outbound = Outbound::default();
        for _ in 0..ENVELOPE_WINDOW {
            assert!(outbound.may_send());
            outbound.on_sent(0);
        }
        assert!(!outbound.may_send());
        assert!(outbound.on_ack(1));
        assert!(outbound.may_send());
    }

    #[test]
    fn chunks_wait_for_acknowledgement_while_small_frames_go_on() {
        let mut outbound = Outbound::default();
        outbound.on_sent(CHUNK_WINDOW);
        assert!(!outbound.chunks_allowed());
        assert!(outbound.may_send());
        assert!(outbound.on_ack(1));
        assert!(outbound.chunks_allowed());
    }

    #[test]
    fn acknowledging_what_was_never_sent_is_caught() {
        let mut outbound = Outbound::default();
        outbound.on_sent(0);
        assert!(!outbound.on_ack(2));
        assert!(outbound.on_ack(1));
    }

    #[test]
    fn the_count_of_envelopes_wraps_around() {
        let mut outbound = Outbound {
            sent: u32::MAX,
            acked: u32::MAX,
            ..Outbound::default()
        };
        outbound.on_sent(CHUNK_WINDOW);
        assert_eq!(outbound.sent, 0);
        assert!(!outbound.chunks_allowed());
        assert!(outbound.on_ack(0));
        assert!(outbound.chunks_allowed());
    }
}
