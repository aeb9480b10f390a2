//! What waits to be sent over one link, as pure state: small frames in order, and big payloads in chunks that take
//! turns with them. It knows nothing of sockets, of sealing, or of what the frames mean.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::in_flight::Pending;
use crate::wire::frame::{Frame, MAX_CHUNK, PayloadKind};

/// A payload up to this size, in bytes, is sent in one frame among the small ones. A bigger payload is sent in chunks.
/// Each chunk waits for its turn, so that a big payload cannot hold up the small frames.
pub(crate) const SMALL_PAYLOAD: usize = 16 * 1024;

/// How many bytes of small frames one envelope takes before a chunk gets its turn.
const SMALL_PER_ENVELOPE: usize = 128 * 1024;

/// How many small frames one envelope takes: enough to share the cost of an envelope, and few enough that the other
/// side can start work while the rest is still on its way.
const SMALL_FRAMES: usize = 24;

/// Something to send.
pub(crate) struct QueuedFrame {
    frame: Frame,
    /// The call that waits for the reply. A call that was given up before its first frame was sent is not sent at all.
    pending: Option<Arc<Pending>>,
}

impl QueuedFrame {
    /// A frame that is always sent.
    pub(crate) fn frame(frame: Frame) -> Self {
        Self {
            frame,
            pending: None,
        }
    }

    /// A call's frame. It is sent unless its caller has given up by then.
    pub(crate) fn call(frame: Frame, pending: Arc<Pending>) -> Self {
        Self {
            frame,
            pending: Some(pending),
        }
    }

    /// Marks the call as sent. Returns false if the call was given up, or if it is new and the other side takes no new
    /// calls.
    fn claim(&self, draining: bool) -> bool {
        let Some(pending) = &self.pending else {
            return true;
        };
        if draining && pending.refuse() {
            return false;
        }
        pending.mark_sent()
    }
}

/// A big payload, of which a part may have been sent already.
struct ChunkedPayload {
    kind: PayloadKind,
    id: u64,
    /// The frame that opens the stream. `None` once it was sent.
    head: Option<QueuedFrame>,
    rest: Bytes,
    /// The size of each part in bytes. All parts have about the same size, so that a payload slightly longer than one
    /// chunk is not sent as one full chunk and a tiny one.
    part: usize,
}

impl ChunkedPayload {
    fn next_frame(&self) -> Frame {
        match &self.head {
            Some(head) => head.frame.clone(),
            None => Frame::Chunk {
                stream: self.kind,
                id: self.id,
                more: self.rest.len() > self.part,
                payload: self.rest.slice(..self.rest.len().min(self.part)),
            },
        }
    }

    /// Moves on after the next frame was sent.
    fn advance(&mut self) {
        if self.head.take().is_none() {
            let _ = self.rest.split_to(self.rest.len().min(self.part));
        }
    }
}

/// The frames that wait for the writer.
#[derive(Default)]
pub(crate) struct Outbox {
    small: VecDeque<QueuedFrame>,
    streams: VecDeque<ChunkedPayload>,
    /// The other side takes no new calls: calls that have not been sent are refused here.
    draining: bool,
    closed: bool,
}

/// What [`Outbox::fill`] took.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Frames taken.
    pub(crate) frames: usize,
    /// The bytes of the chunks among these frames.
    pub(crate) chunk_bytes: usize,
}

impl Outbox {
    /// Queues one thing to send. Returns false once the outbox is closed.
    pub(crate) fn push(&mut self, outgoing: QueuedFrame) -> bool {
        if self.closed {
            return false;
        }
        match split(outgoing) {
            Split::Small(outgoing) => self.small.push_back(outgoing),
            Split::ChunkedPayload(stream) => self.streams.push_back(stream),
        }
        true
    }

    /// Drops the unsent rest of a call that was given up after a part of it had been sent.
    pub(crate) fn drop_call(&mut self, call: u64) {
        self.streams.retain(|stream| {
            stream.head.is_some() || stream.kind != PayloadKind::Call || stream.id != call
        });
    }

    /// From now on, a call of which nothing has been sent yet is not sent. When its turn comes, it is refused and its
    /// caller is told at once.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// Closes the outbox: drops everything in it and takes nothing more.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.small.clear();
        self.streams.clear();
    }

    /// Whether anything waits that may be sent, given whether chunks are allowed.
    pub(crate) fn has_work(&self, chunks_allowed: bool) -> bool {
        !self.small.is_empty() || (chunks_allowed && !self.streams.is_empty())
    }

    /// Whether a payload in chunks waits, or the rest of one.
    #[cfg(feature = "operator")]
    pub(crate) fn has_chunks(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Hands frames to `put`, which returns whether the frame still fitted. Small frames go first. Then, if
    /// `chunks_allowed`, one chunk follows, from the stream whose turn it is.
    pub(crate) fn fill(
        &mut self,
        chunks_allowed: bool,
        mut put: impl FnMut(&Frame) -> bool,
    ) -> Taken {
        let mut taken = Taken::default();
        let mut small_bytes = 0;
        while taken.frames < SMALL_FRAMES && small_bytes < SMALL_PER_ENVELOPE {
            let Some(outgoing) = self.small.pop_front() else {
                break;
            };
            if !outgoing.claim(self.draining) {
                continue;
            }
            if !put(&outgoing.frame) {
                self.small.push_front(outgoing);
                break;
            }
            small_bytes += outgoing.frame.encoded_len();
            taken.frames += 1;
        }
        if chunks_allowed {
            self.put_chunk(&mut put, &mut taken);
        }
        taken
    }

    fn put_chunk(&mut self, put: &mut impl FnMut(&Frame) -> bool, taken: &mut Taken) {
        while let Some(mut stream) = self.streams.pop_front() {
            let draining = self.draining;
            if (stream.head.as_ref()).is_some_and(|head| !head.claim(draining)) {
                continue;
            }
            let frame = stream.next_frame();
            if !put(&frame) {
                self.streams.push_front(stream);
                return;
            }
            taken.frames += 1;
            taken.chunk_bytes += frame.encoded_len();
            stream.advance();
            if !stream.rest.is_empty() {
                self.streams.push_back(stream);
            }
            return;
        }
    }
}

enum Split {
    Small(QueuedFrame),
    ChunkedPayload(ChunkedPayload),
}

/// Separates what fits among the small frames from what must be sent in chunks.
fn split(mut outgoing: QueuedFrame) -> Split {
    match outgoing.frame.part_mut() {
        Some((kind, id, part)) if part.payload.len() > SMALL_PAYLOAD => {
            let parts = part.payload.len().div_ceil(MAX_CHUNK);
            let bytes = part.payload.len().div_ceil(parts);
            let rest = part.split_off_rest(bytes);
            Split::ChunkedPayload(ChunkedPayload {
                kind,
                id,
                head: Some(outgoing),
                rest,
                part: bytes,
            })
        }
        _ => Split::Small(outgoing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        link::{
            budget::Budget,
            in_flight::{InFlight, Reply},
        },
        wire::{frame::FirstPart, status::FailureCode},
    };

    fn tell(id: u64, bytes: usize) -> QueuedFrame {
        QueuedFrame::frame(Frame::Tell {
            tell: id,
            command: 7,
            part: FirstPart::whole(Bytes::from(vec![1; bytes])),
        })
    }

    fn fill(outbox: &mut Outbox, chunks: bool) -> Vec<String> {
        let mut seen = Vec::new();
        outbox.fill(chunks, |frame| {
            seen.push(match frame {
                Frame::Tell { tell, part, .. } => format!("tell {tell} more={}", part.more),
                Frame::Chunk { id, more, .. } => format!("chunk {id} more={more}"),
                other => format!("{other:?}"),
            });
            true
        });
        seen
    }

    #[test]
    fn an_envelope_has_a_chunk_however_many_small_frames_wait() {
        let mut outbox = Outbox::default();
        outbox.push(tell(0, 10 * MAX_CHUNK));
        for id in 1..=SMALL_FRAMES as u64 + 1 {
            outbox.push(tell(id, 1));
        }
        let taken = outbox.fill(true, |_| true);
        assert_eq!(taken.frames, SMALL_FRAMES + 1);
        assert!(taken.chunk_bytes > 0);
        assert_eq!(outbox.fill(false, |_| true).frames, 1);
    }

    #[test]
    fn what_is_longer_than_a_chunk_goes_in_parts_of_about_one_length() {
        for bytes in [MAX_CHUNK + 5, 3 * MAX_CHUNK, 10 * MAX_CHUNK + 1] {
            let mut outbox = Outbox::default();
            outbox.push(tell(1, bytes));
            let mut parts = Vec::new();
            while outbox.has_work(true) {
                outbox.fill(true, |frame| {
                    parts.push(match frame {
                        Frame::Tell { part, .. } => part.payload.len(),
                        Frame::Chunk { payload, .. } => payload.len(),
                        other => panic!("{other:?}"),
                    });
                    true
                });
            }
            assert_eq!(parts.iter().sum::<usize>(), bytes);
            assert_eq!(parts.len(), bytes.div_ceil(MAX_CHUNK));
            let (least, most) = (parts.iter().min().unwrap(), parts.iter().max().unwrap());
            assert!(
                *most <= MAX_CHUNK && most - least < parts.len(),
                "{parts:?}"
            );
        }
    }

    #[test]
    fn small_frames_leave_in_order_and_all_at_once() {
        let mut outbox = Outbox::default();
        for id in 0..3 {
            outbox.push(tell(id, 10));
        }
        assert_eq!(
            fill(&mut outbox, true),
            [
                "tell 0 more=false",
                "tell 1 more=false",
                "tell 2 more=false"
            ]
        );
        assert!(!outbox.has_work(true));
    }

    #[test]
    fn big_payloads_take_turns_and_let_small_ones_pass() {
        let mut outbox = Outbox::default();
        outbox.push(tell(1, MAX_CHUNK + 1));
        outbox.push(tell(2, MAX_CHUNK + 1));
        assert_eq!(fill(&mut outbox, true), ["tell 1 more=true"]);
        outbox.push(tell(3, 1));
        assert_eq!(
            fill(&mut outbox, true),
            ["tell 3 more=false", "tell 2 more=true"]
        );
        assert_eq!(fill(&mut outbox, true), ["chunk 1 more=false"]);
        assert_eq!(fill(&mut outbox, true), ["chunk 2 more=false"]);
        assert!(!outbox.has_work(true));
    }

    #[test]
    fn without_room_for_chunks_only_small_frames_leave() {
        let mut outbox = Outbox::default();
        outbox.push(tell(1, MAX_CHUNK));
        outbox.push(tell(2, 1));
        assert_eq!(fill(&mut outbox, false), ["tell 2 more=false"]);
        assert!(!outbox.has_work(false));
        assert!(outbox.has_work(true));
    }

    #[test]
    fn what_does_not_fit_waits_for_the_next_envelope() {
        let mut outbox = Outbox::default();
        outbox.push(tell(1, 1));
        outbox.push(tell(2, 1));
        let mut room = 1;
        let taken = outbox.fill(true, |_| {
            room -= 1;
            room >= 0
        });
        assert_eq!(taken.frames, 1);
        assert_eq!(fill(&mut outbox, true), ["tell 2 more=false"]);
    }

    #[tokio::test]
    async fn to_a_side_that_drains_no_new_call_leaves_and_its_caller_knows() {
        let budget = Budget::new();
        budget.grant(3, 1_000_000);
        let mut calls = InFlight::new();
        let mut outbox = Outbox::default();
        let mut call = |outbox: &mut Outbox, bytes: usize| {
            let reserved = budget.try_reserve(bytes).unwrap();
            let (call, pending) = calls.open(budget.call_permit().unwrap(), reserved).unwrap();
            let frame = Frame::Call {
                call,
                command: 7,
                deadline_ms: 1,
                part: FirstPart::whole(Bytes::from(vec![1; bytes])),
            };
            outbox.push(QueuedFrame::call(frame, Arc::clone(&pending)));
            (call, pending)
        };
        let (id, begun) = call(&mut outbox, MAX_CHUNK + 1);
        assert_eq!(fill(&mut outbox, true).len(), 1);
        outbox.drain();
        let (_, small) = call(&mut outbox, 1);
        let (_, big) = call(&mut outbox, MAX_CHUNK + 1);
        outbox.push(tell(9, 1));
        assert_eq!(
            fill(&mut outbox, true),
            ["tell 9 more=false", &format!("chunk {id} more=false")]
        );
        assert_eq!(fill(&mut outbox, true), [""; 0]);
        for unsent in [small, big] {
            assert!(matches!(
                unsent.answered().await,
                Reply::Failed(FailureCode::ShuttingDown, _)
            ));
            assert!(unsent.abandon(), "it never left");
        }
        assert!(!begun.abandon(), "it had left before");
    }

    #[test]
    fn a_closed_outbox_takes_and_keeps_nothing() {
        let mut outbox = Outbox::default();
        outbox.push(tell(1, 1));
        outbox.close();
        assert!(!outbox.push(tell(2, 1)));
        assert!(!outbox.has_work(true));
    }
}
