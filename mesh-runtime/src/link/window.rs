//! How much may be in flight without an acknowledgement, as pure state. It knows nothing of sockets or sealing.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::outbox::Outbox;

/// How many envelopes may be in flight without an acknowledgement. With this limit, the server side's socket queue
/// never fills up: it holds 1,024 packets, and its fill level cannot be queried.
const ENVELOPE_WINDOW: u32 = 256;

/// What waits to be sent, and what is in flight.
#[derive(Default)]
pub(crate) struct Outbound {
    pub(crate) outbox: Outbox,
    /// The number of envelopes with frames that were sent. Wraps around.
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

    /// Takes an acknowledgement. Returns false if it covers more than was sent.
    pub(crate) fn on_ack(&mut self, ack: u32, now: Instant) -> bool {
        if ack.wrapping_sub(self.acked) > self.sent.wrapping_sub(self.acked) {
            return false;
        }
        self.acked = ack;
        self.chunks.on_ack(ack, now);
        true
    }
}

/// The lower bound of the window, in bytes of chunks in flight. It keeps the connection from being idle for long.
const LEAST_CHUNKS: usize = 128 * 1024;
/// The upper bound of the window, in bytes of chunks in flight.
const MOST_CHUNKS: usize = 1024 * 1024;
/// A chunk counts as queued behind others if it takes more than this many times as long as the fastest chunk.
const QUEUED: u32 = 2;
/// After this many bytes, the time of the fastest chunk is measured again.
const MEASURE_AGAIN: usize = 64 * MOST_CHUNKS;

/// How many bytes of chunks may be in flight.
///
/// Data that queues up in a connection delays the small frames behind it. So the window keeps as many chunks in flight
/// as the connection can carry, and not many more. When an acknowledgement takes much longer than the fastest one did,
/// chunks have begun to queue up, and the window shrinks. Otherwise it grows.
struct ChunkWindow {
    /// Envelopes with chunks that are not acknowledged: the number of the envelope, the bytes of its chunks, and when
    /// it was sent.
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
            // Measured with few chunks in flight, so that they do not queue up behind each other.
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

    /// Sends and acknowledges `chunks` chunks of 64 KiB, one after the other. Each of them takes `took`.
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
