//! One sealed connection. Frames pushed into it leave in envelopes; arriving envelopes are opened and handed up frame
//! by frame. It provides ordering, acknowledgement and heartbeat, and reports one close reason, exactly once. It knows
//! nothing of what the frames mean.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    heartbeat::Heartbeat,
    outbox::{QueuedFrame, SMALL_PAYLOAD},
    window::Outbound,
};
use crate::{
    close::{CloseCode, CloseReason},
    socketio::{Closer, Sink},
    wire::{
        cipher::{Opener, Sealer},
        envelope::{Envelope, EnvelopeBuilder},
        frame::Frame,
    },
    yielding::yield_to_ready_tasks,
};

/// An acknowledgement is due after this many received envelopes, if no outgoing envelope has carried one.
const ACK_ENVELOPES: u32 = 8;
/// An acknowledgement is also due after this many bytes. That is the size of one chunk, so the sender can measure how
/// fast chunks get through.
const ACK_BYTES: u32 = 64 * 1024;

/// The initial capacity of an envelope, in bytes: enough for many small frames.
const ROOM: usize = 4 * 1024;

/// How long the closing handshake of a connection may take.
const CLOSING_HANDSHAKE: Duration = Duration::from_secs(1);

/// The timings of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long a handshake may take, including each side's first envelope.
    pub(crate) handshake: Duration,
    pub(crate) heartbeat: Heartbeat,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            heartbeat: Heartbeat::default(),
        }
    }
}

/// The token of the drain ping, which a node sends after its draining notice. The tokens of heartbeat pings are
/// smaller.
const DRAIN_PING: u64 = u64::MAX;

/// What a connection hands up. The methods are called inline and in order, and must not block.
pub(crate) trait Receiver: Send + Sync + 'static {
    /// Takes one frame. An error closes the connection as a violation, with this text.
    fn on_frame(&self, frame: Frame) -> Result<(), String>;

    /// The connection is closed. Called exactly once.
    fn on_closed(&self, reason: &CloseReason);
}

/// The sending side of a sealed connection, and its state. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Channel(Arc<ChannelState>);

struct ChannelState {
    outbound: Mutex<Outbound>,
    wake: Notify,
    started: Instant,
    /// When something was last received, in milliseconds after `started`.
    heard_ms: AtomicU64,
    /// Envelopes that have arrived.
    received: AtomicU32,
    /// How many of these envelopes have been acknowledged to the other side.
    told: AtomicU32,
    /// Bytes that have arrived since the last acknowledgement.
    untold_bytes: AtomicU32,
    /// Cancelled when the first envelope opens. Only then is the identity of the other side proven.
    proven: CancellationToken,
    /// Cancelled when the other side has replied to [`DRAIN_PING`].
    settled: CancellationToken,
    reason: OnceLock<CloseReason>,
    closed: CancellationToken,
    closer: OnceLock<Closer>,
    /// Weak, because the receiver holds the channel.
    receiver: OnceLock<Weak<dyn Receiver>>,
}

impl Channel {
    pub(crate) fn new() -> Self {
        Self(Arc::new(ChannelState {
            outbound: Mutex::default(),
            wake: Notify::new(),
            started: Instant::now(),
            heard_ms: AtomicU64::new(0),
            received: AtomicU32::new(0),
            told: AtomicU32::new(0),
            untold_bytes: AtomicU32::new(0),
            proven: CancellationToken::new(),
            settled: CancellationToken::new(),
            reason: OnceLock::new(),
            closed: CancellationToken::new(),
            closer: OnceLock::new(),
            receiver: OnceLock::new(),
        }))
    }

    /// Sets the receiver, which is told when the connection closes, and the closer, which cuts the connection. Called
    /// once, before anything arrives.
    fn attach(&self, receiver: &Arc<dyn Receiver>, closer: Closer) {
        let _ = self.0.receiver.set(Arc::downgrade(receiver));
        let _ = self.0.closer.set(closer);
    }

    /// Sends a frame. Returns false if the connection is closed.
    pub(crate) fn send(&self, frame: Frame) -> bool {
        self.push(QueuedFrame::frame(frame))
    }

    /// Hands something to the writer. Returns false if the connection is closed.
    pub(crate) fn push(&self, outgoing: QueuedFrame) -> bool {
        let pushed = self.outbound().outbox.push(outgoing);
        if pushed {
            self.0.wake.notify_one();
        }
        pushed
    }

    /// Drops the unsent rest of a call of which a part may have been sent.
    pub(crate) fn drop_call(&self, call: u64) {
        self.outbound().outbox.drop_call(call);
    }

    /// From now on no new call is sent, because the other side takes none.
    pub(crate) fn drain(&self) {
        self.outbound().outbox.drain();
    }

    /// Closes the connection. If it is called more than once, the first reason stays.
    pub(crate) fn close(&self, reason: CloseReason) {
        if self.0.reason.set(reason).is_err() {
            return;
        }
        let receiver = self.0.receiver.get().and_then(Weak::upgrade);
        if let (Some(receiver), Some(reason)) = (receiver, self.0.reason.get()) {
            receiver.on_closed(reason);
        }
        self.0.closed.cancel();
    }

    /// Why the connection is closed, if it is.
    pub(crate) fn close_reason(&self) -> Option<&CloseReason> {
        self.0.reason.get()
    }

    /// Waits until the connection is closed.
    pub(crate) async fn closed(&self) {
        self.0.closed.cancelled().await;
    }

    /// Waits until the other side has processed everything sent before this call and everything that it sent until then
    /// has arrived here, or until the connection closes.
    pub(crate) async fn settled(&self) {
        self.send(Frame::Ping { token: DRAIN_PING });
        tokio::select! {
            () = self.0.settled.cancelled() => {}
            () = self.0.closed.cancelled() => {}
        }
    }

    /// Whether chunks of a payload wait to be sent.
    #[cfg(feature = "operator")]
    pub(crate) fn has_chunks(&self) -> bool {
        self.outbound().outbox.has_chunks()
    }

    /// Waits until the other side is authenticated, or until the connection closes.
    pub(crate) async fn proven(&self) {
        tokio::select! {
            () = self.0.proven.cancelled() => {}
            () = self.0.closed.cancelled() => {}
        }
    }

    fn outbound(&self) -> MutexGuard<'_, Outbound> {
        self.0
            .outbound
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn ack_due(&self) -> bool {
        let received = self.0.received.load(Ordering::Acquire);
        received.wrapping_sub(self.0.told.load(Ordering::Acquire)) >= ACK_ENVELOPES
            || self.0.untold_bytes.load(Ordering::Relaxed) >= ACK_BYTES
    }

    fn heard(&self, now: Instant) {
        let after = now.saturating_duration_since(self.0.started).as_millis();
        let after = u64::try_from(after).unwrap_or(u64::MAX);
        self.0.heard_ms.store(after, Ordering::Relaxed);
    }

    /// When something was last received, to the millisecond, rounded down.
    pub(crate) fn heard_at(&self) -> Instant {
        let heard = Duration::from_millis(self.0.heard_ms.load(Ordering::Relaxed));
        self.0.started + heard
    }

    fn silent_for(&self) -> Duration {
        self.heard_at().elapsed()
    }
}

/// The receiving side of a sealed connection.
pub(crate) struct Inlet {
    channel: Channel,
    opener: Opener,
    receiver: Arc<dyn Receiver>,
    /// Whether an envelope has opened.
    proven: bool,
    /// Whether the other side has confirmed. Its confirmation must come first.
    confirmed: bool,
}

impl Inlet {
    pub(crate) fn new(
        channel: Channel,
        opener: Opener,
        receiver: Arc<dyn Receiver>,
        closer: Closer,
    ) -> Self {
        channel.attach(&receiver, closer);
        Self {
            channel,
            opener,
            receiver,
            proven: false,
            confirmed: false,
        }
    }

    /// Opens one payload and hands its frames up. Drops the payload if the connection is closed.
    pub(crate) fn take(&mut self, payload: Bytes) {
        if self.channel.close_reason().is_some() {
            return;
        }
        if let Err(violation) = self.open(payload) {
            self.channel.close(CloseReason::Violation(violation));
        }
    }

    fn open(&mut self, payload: Bytes) -> Result<(), String> {
        let shared = Arc::clone(&self.channel.0);
        let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let envelope =
            Envelope::open(payload, &mut self.opener).map_err(|error| error.to_string())?;
        if !std::mem::replace(&mut self.proven, true) {
            shared.proven.cancel();
        }
        if envelope.counts() {
            shared.received.fetch_add(1, Ordering::AcqRel);
            shared.untold_bytes.fetch_add(bytes, Ordering::AcqRel);
        }
        let now = Instant::now();
        self.channel.heard(now);
        let wake = {
            let mut outbound = self.channel.outbound();
            if !outbound.on_ack(envelope.ack, now) {
                return Err("more envelopes are acknowledged than were sent".into());
            }
            outbound.has_work()
        };
        for frame in envelope.frames {
            self.hand_up(frame.map_err(|error| error.to_string())?)?;
        }
        if wake || self.channel.ack_due() {
            shared.wake.notify_one();
        }
        Ok(())
    }

    fn hand_up(&mut self, frame: Frame) -> Result<(), String> {
        self.confirmed |= matches!(frame, Frame::Confirm { .. });
        if !self.confirmed && !matches!(frame, Frame::Goodbye { .. }) {
            return Err("a frame before the confirmation".into());
        }
        match frame {
            Frame::Ping { token } => {
                self.channel.send(Frame::Pong { token });
            }
            Frame::Pong { token: DRAIN_PING } => self.channel.0.settled.cancel(),
            Frame::Pong { .. } => {}
            Frame::Goodbye { reason, .. } => self.channel.close(CloseReason::Goodbye(reason)),
            frame => self.receiver.on_frame(frame)?,
        }
        Ok(())
    }
}

/// Runs as the task that owns the sink. It repeatedly takes everything that waits, seals it once and writes it once,
/// until the connection closes. `first`, the end of the handshake, is sent before that, unsealed.
pub(crate) async fn write(
    channel: Channel,
    mut sink: Sink,
    mut sealer: Sealer,
    first: Option<Bytes>,
    pace: Pace,
) {
    let written = async {
        if let Some(first) = first {
            sink.send(first).await.map_err(|error| error.to_string())?;
        }
        pump(&channel, &mut sink, &mut sealer, pace).await
    };
    // A stuck write must not keep a closed connection open.
    let stuck = async {
        channel.closed().await;
        tokio::time::sleep(CLOSING_HANDSHAKE).await;
    };
    let in_order = tokio::select! {
        result = written => match result {
            Ok(()) => true,
            Err(error) => {
                channel.close(CloseReason::Lost(error));
                false
            }
        },
        () = stuck => false,
    };
    if in_order
        && let Some(reason) = channel.close_reason()
        && let Some(goodbye) = goodbye(reason)
    {
        channel.send(goodbye);
        let farewell = flush(&channel, &mut sink, &mut sealer);
        let _ = tokio::time::timeout(CLOSING_HANDSHAKE, farewell).await;
    }
    channel.outbound().outbox.close();
    let _ = tokio::time::timeout(CLOSING_HANDSHAKE, sink.close()).await;
    if let Some(closer) = channel.0.closer.get() {
        closer.abort();
    }
}

/// The frame that tells the other side why the connection closes. `None` if the other side is gone.
fn goodbye(reason: &CloseReason) -> Option<Frame> {
    match reason {
        CloseReason::Local(reason) => Some(Frame::goodbye(*reason, "")),
        CloseReason::Violation(what) => Some(Frame::goodbye(CloseCode::Violation, what)),
        CloseReason::Goodbye(_) | CloseReason::Silent(_) | CloseReason::Lost(_) => None,
    }
}

async fn pump(
    channel: &Channel,
    sink: &mut Sink,
    sealer: &mut Sealer,
    pace: Pace,
) -> Result<(), String> {
    let proof = tokio::time::timeout(pace.handshake, channel.0.proven.cancelled());
    tokio::pin!(proof);
    let mut proven = false;
    let mut tick = tokio::time::interval_at(
        Instant::now() + pace.heartbeat.interval,
        pace.heartbeat.interval,
    );
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent_at_last_tick = 0;
    loop {
        let many = flush(channel, sink, sealer).await? > 1;
        tokio::select! {
            biased;
            () = channel.closed() => return Ok(()),
            () = channel.0.wake.notified() => gather(many).await,
            in_time = &mut proof, if !proven => {
                proven = true;
                if in_time.is_err() {
                    channel.close(CloseReason::Silent(pace.handshake));
                }
            }
            _ = tick.tick() => {
                if channel.silent_for() > pace.heartbeat.silence {
                    channel.close(CloseReason::Silent(pace.heartbeat.silence));
                }
                let sent = channel.outbound().sent;
                // No ping before the confirmation, which must be the first frame of each side.
                if sent > 0 && sent == sent_at_last_tick {
                    channel.send(Frame::Ping { token: u64::from(sent) });
                }
                sent_at_last_tick = sent;
            }
        }
    }
}

/// Collects the frames that go into one envelope. The task that woke the writer may be one of many that are ready to
/// run, so those run first. If the last envelopes had many frames, more may be about to arrive, so the writer waits for
/// those as well. A call that is alone does not wait.
async fn gather(many: bool) {
    match many {
        true => tokio::task::yield_now().await,
        false => yield_to_ready_tasks().await,
    }
}

/// Sends everything that may be sent now. Returns how many frames that was.
async fn flush(channel: &Channel, sink: &mut Sink, sealer: &mut Sealer) -> Result<usize, String> {
    let mut frames = 0;
    while let Some((envelope, ack)) = next_envelope(channel) {
        frames += envelope.frames();
        let sealed = envelope
            .seal(ack, sealer)
            .map_err(|error| error.to_string())?;
        let large = sealed.len() > SMALL_PAYLOAD;
        sink.send(sealed).await.map_err(|error| error.to_string())?;
        if large {
            // Small frames go before the next chunk, including those that are not queued yet.
            yield_to_ready_tasks().await;
        }
    }
    Ok(frames)
}

/// The next envelope to send, if there is a reason to send one: frames, or an acknowledgement that is due.
pub(crate) fn next_envelope(channel: &Channel) -> Option<(EnvelopeBuilder, u32)> {
    let mut outbound = channel.outbound();
    let mut envelope = EnvelopeBuilder::with_capacity(ROOM);
    if outbound.has_work() {
        let chunks_allowed = outbound.chunks_allowed();
        let taken = outbound
            .outbox
            .fill(chunks_allowed, |frame| envelope.push(frame));
        if taken.frames > 0 {
            outbound.on_sent(taken.chunk_bytes);
        }
    }
    if envelope.is_empty() && !channel.ack_due() {
        return None;
    }
    // The order matters: an envelope whose bytes are cleared here is then also counted in the acknowledgement.
    channel.0.untold_bytes.swap(0, Ordering::AcqRel);
    let received = channel.0.received.load(Ordering::Acquire);
    channel.0.told.store(received, Ordering::Release);
    Some((envelope, received))
}
