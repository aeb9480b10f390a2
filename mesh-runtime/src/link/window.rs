//! How much may be on its way unacknowledged, as pure state. Knows nothing of sockets or sealing.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::outbox::Outbox;

/// Envelopes that may be on their way without an acknowledgement. The server side's socket queue, which holds 1,024
/// packets and cannot be asked how full it is, never fills up.
const ENVELOPE_WINDOW: u32 = 256;

/// What waits to be sent, and what is on its way.
#[derive(Default)]
pub(crate) struct Outbound {
    pub(crate) outbox: Outbox,
    /// Envelopes with frames that were sent; wraps.
    pub(crate) sent: u32,
    acked: u32,
    chunks: ChunkWindow,
}

impl Outbound {
    pub(crate) fn may_send(&self) -> bool {
        self.sent.wrapping_sub(self.acked) < ENVELOPE_WINDOW
    }

    pub(crate) fn chunks_allowed(&self) -> bool {
        self.chunks.under_way < self.chunks.limit
    }

    pub(crate) fn has_work(&self) -> bool {
        self.may_send() && self.outbox.has_work(self.chunks_allowed())
    }

    pub(crate) fn on_sent(&mut self, chunk_bytes: usize) {
        self.sent = self.sent.wrapping_add(1);
        if chunk_bytes > 0 {
            self.chunks.on_sent(self.sent, chunk_bytes, Instant::now());
        }
    }

    /// False if more is acknowledged than was sent.
    pub(crate) fn on_ack(&mut self, ack: u32, now: Instant) -> bool {
        if ack.wrapping_sub(self.acked) > self.sent.wrapping_sub(self.acked) {
            return false;
        }
        self.acked = ack;
        self.chunks.on_ack(ack, now);
        true
    }
}

/// The bytes of chunks that may be on their way: at least so many, so that a connection is never idle for long.
const LEAST_CHUNKS: usize = 128 * 1024;
/// At most so many.
const MOST_CHUNKS: usize = 1024 * 1024;
/// A chunk that takes that many times as long as the fastest has waited for others.
const QUEUED: u32 = 2;
/// After that many bytes it is measured again how fast a chunk can be.
const MEASURE_AGAIN: usize = 64 * MOST_CHUNKS;

/// How many bytes of chunks may be on their way.
///
/// Whatever waits in a connection holds up the small frames behind it. So there are as many chunks under way as the
/// connection can carry, and not many more: when acknowledgements come later than the fastest one did, chunks
/// have begun to queue up, and there are to be fewer of them; as long as they do not, there may be more.
struct ChunkWindow {
    /// Envelopes with chunks that are not acknowledged: number, bytes, and when it was sent.
    open: VecDeque<(u32, usize, Instant)>,
    under_way: usize,
    limit: usize,
    /// The fastest acknowledgement since `measured` was 0.
    fastest: Duration,
    measured: usize,
}

impl Default for ChunkWindow {
    fn default() -> Self {
        Self {
            open: VecDeque::new(),
            under_way: 0,
            limit: LEAST_CHUNKS,
            fastest: Duration::MAX,
            measured: 0,
        }
    }
}

impl ChunkWindow {
    fn on_sent(&mut self, envelope: u32, bytes: usize, now: Instant) {
        self.open.push_back((envelope, bytes, now));
        self.under_way += bytes;
    }

    fn on_ack(&mut self, ack: u32, now: Instant) {
        while let Some((envelope, bytes, sent)) = self.open.front().copied() {
            if ack.wrapping_sub(envelope) >= u32::MAX / 2 {
                break;
            }
            self.open.pop_front();
            self.under_way -= bytes;
            self.adapt(bytes, now - sent);
        }
    }

    fn adapt(&mut self, bytes: usize, took: Duration) {
        self.measured += bytes;
        if self.measured > MEASURE_AGAIN {
            // With few chunks under way, so that they do not wait for each other.
            self.measured = 0;
            self.fastest = Duration::MAX;
            self.limit = LEAST_CHUNKS;
        }
        self.fastest = self.fastest.min(took);
        let queued = took > self.fastest.saturating_mul(QUEUED);
        self.limit = match queued {
            true => self.limit.saturating_sub(bytes / 2).max(LEAST_CHUNKS),
            false => (self.limit + bytes).min(MOST_CHUNKS),
        };
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
        assert!(outbound.on_ack(1, Instant::now()));
        assert!(outbound.may_send());
    }

    #[test]
    fn chunks_wait_for_acknowledgement_while_small_frames_go_on() {
        let mut outbound = Outbound::default();
        outbound.on_sent(LEAST_CHUNKS);
        assert!(!outbound.chunks_allowed());
        assert!(outbound.may_send());
        assert!(outbound.on_ack(1, Instant::now()));
        assert!(outbound.chunks_allowed());
    }

    /// Acknowledges `chunks` of 64 KiB, one after the other, each of which has taken so long.
    fn chunks(window: &mut ChunkWindow, chunks: usize, took: Duration) {
        let now = Instant::now() + took;
        for _ in 0..chunks {
            window.on_sent(1, 64 * 1024, now - took);
            window.on_ack(1, now);
        }
    }

    const FAST: Duration = Duration::from_micros(100);

    #[test]
    fn the_chunk_window_grows_while_chunks_are_fast_and_shrinks_when_they_wait_but_within_its_bounds()
     {
        let mut window = ChunkWindow::default();
        assert_eq!(window.limit, LEAST_CHUNKS);
        chunks(&mut window, 4, FAST);
        assert_eq!(window.limit, LEAST_CHUNKS + 4 * 64 * 1024);
        chunks(&mut window, 100, 2 * FAST);
        assert_eq!(window.limit, MOST_CHUNKS);
        chunks(&mut window, 4, 3 * FAST);
        assert_eq!(window.limit, MOST_CHUNKS - 4 * 32 * 1024);
        chunks(&mut window, 100, 3 * FAST);
        assert_eq!(window.limit, LEAST_CHUNKS);
        assert_eq!(window.under_way, 0);
    }

    #[test]
    fn a_connection_that_has_become_slower_is_measured_again() {
        let mut window = ChunkWindow::default();
        chunks(&mut window, 1, FAST);
        chunks(&mut window, 100, 10 * FAST);
        assert_eq!(window.limit, LEAST_CHUNKS);
        chunks(&mut window, MEASURE_AGAIN / (64 * 1024) + 20, 10 * FAST);
        assert_eq!(window.limit, MOST_CHUNKS);
    }

    #[test]
    fn acknowledging_what_was_never_sent_is_caught() {
        let mut outbound = Outbound::default();
        outbound.on_sent(0);
        assert!(!outbound.on_ack(2, Instant::now()));
        assert!(outbound.on_ack(1, Instant::now()));
    }

    #[test]
    fn the_count_of_envelopes_wraps_around() {
        let mut outbound = Outbound {
            sent: u32::MAX,
            acked: u32::MAX,
            ..Outbound::default()
        };
        outbound.on_sent(LEAST_CHUNKS);
        assert_eq!(outbound.sent, 0);
        assert!(!outbound.chunks_allowed());
        assert!(outbound.on_ack(0, Instant::now()));
        assert!(outbound.chunks_allowed());
    }
}
