//! A TCP stream that can be cut from anywhere, and the handle that cuts it.
//!
//! Both sides of the transport run over it. It adds what neither tungstenite nor socketioxide offers. A write that
//! makes no progress fails after a timeout, whoever waits for it. A cut wakes a reader and a writer that are blocked.
//! Written bytes are counted, so that a sender knows how much is still queued. This module must not know what the bytes
//! mean.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{Notify, futures::Notified},
    time::Sleep,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::TransportError;

/// Cuts one connection, at once and from anywhere. Cheap to clone; keeps nothing open by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closer(Arc<StreamState>);

/// The state that the stream, its users and its closers share.
#[derive(Debug, Default)]
struct StreamState {
    /// Why the connection ended. The first reason stays.
    reason: OnceLock<TransportError>,
    /// Cancelled when there is a reason.
    reasoned: CancellationToken,
    /// Cancelled when the connection must end at once.
    cut: CancellationToken,
    /// Cancelled when the stream is dropped: the socket is closed, and nobody reads or writes any more.
    gone: CancellationToken,
    /// The number of bytes that the operating system has taken.
    written: AtomicU64,
    /// Notified when `written` has grown or the connection was cut.
    progress: Notify,
}

impl Closer {
    /// Cuts the connection without waiting for anything. Bytes that were not yet sent are lost.
    pub(crate) fn abort(&self) {
        self.cut(TransportError::ClosedHere);
    }

    /// Ends the connection for `reason`, unless another reason came first.
    pub(super) fn cut(&self, reason: TransportError) {
        self.note(reason);
        self.0.cut.cancel();
        self.0.progress.notify_waiters();
    }

    /// Records why the connection is about to end, unless a reason is already there.
    pub(super) fn note(&self, reason: TransportError) {
        if self.0.reason.set(reason).is_ok() {
            self.0.reasoned.cancel();
        }
    }

    /// Whether the connection was told to end.
    pub(super) fn is_cut(&self) -> bool {
        self.0.cut.is_cancelled()
    }

    /// Why the connection ended, or is about to end, as far as is known.
    pub(super) fn reason(&self) -> Option<TransportError> {
        self.0.reason.get().cloned()
    }

    /// Why the connection ended; [`TransportError::Closed`] if no reason was recorded.
    pub(super) fn reason_or_closed(&self) -> TransportError {
        self.reason().unwrap_or(TransportError::Closed)
    }

    /// Resolves when a reason is known.
    pub(super) async fn reasoned(&self) {
        self.0.reasoned.cancelled().await;
    }

    /// Resolves when the connection was told to end.
    pub(super) async fn was_cut(&self) {
        self.0.cut.cancelled().await;
    }

    /// Resolves when the socket is closed.
    pub(super) async fn gone(&self) {
        self.0.gone.cancelled().await;
    }

    /// How many bytes the operating system has taken so far.
    pub(super) fn written(&self) -> u64 {
        self.0.written.load(Ordering::Acquire)
    }

    /// Resolves at the next change of [`written`](Self::written), or at a cut.
    pub(super) fn progress(&self) -> Notified<'_> {
        self.0.progress.notified()
    }
}

/// After this many bytes without a pause, a reader yields to the other tasks of its thread. They include writers, whose
/// small messages must not wait until a large one has been read.
const READ_TURN_BYTES: usize = 64 * 1024;

/// A TCP stream under a [`Closer`].
#[derive(Debug)]
pub(super) struct GuardedStream {
    tcp: TcpStream,
    closer: Closer,
    /// The number of bytes read since the reader last paused.
    read_in_turn: usize,
    /// How long a write may make no progress.
    write_timeout: Duration,
    /// The timer that runs while a write makes no progress.
    stalled: Option<Pin<Box<Sleep>>>,
    /// The reader and the writer have one each, because they are different tasks and a cut must wake both.
    cut_reader: Pin<Box<WaitForCancellationFutureOwned>>,
    cut_writer: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl GuardedStream {
    /// Puts `tcp` under `closer`. Disables Nagle's algorithm, because frames are already batched by the layers above.
    pub(super) fn new(tcp: TcpStream, closer: Closer, write_timeout: Duration) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let cut = &closer.0.cut;
        Ok(Self {
            cut_reader: Box::pin(cut.clone().cancelled_owned()),
            cut_writer: Box::pin(cut.clone().cancelled_owned()),
            tcp,
            closer,
            read_in_turn: 0,
            write_timeout,
            stalled: None,
        })
    }

    fn aborted(&self) -> io::Error {
        io::Error::new(
            io::ErrorKind::ConnectionAborted,
            self.closer.reason_or_closed(),
        )
    }

    /// Records an error of the operating system as the reason, and ends the connection with it.
    fn failed(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        let reason = match kind {
            // The peer closed without a closing handshake, which is common.
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => TransportError::Closed,
            _ => error.into(),
        };
        self.closer.cut(reason);
        io::Error::new(kind, self.closer.reason_or_closed())
    }

    /// Handles the outcome of one attempt to write.
    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(bytes)) => {
                self.stalled = None;
                let shared = &self.closer.0;
                shared.written.fetch_add(bytes as u64, Ordering::AcqRel);
                shared.progress.notify_waiters();
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error))),
            Poll::Pending => {
                if self.cut_writer.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(self.aborted()));
                }
                let timeout = self.write_timeout;
                let stalled = self
                    .stalled
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                ready!(stalled.as_mut().poll(cx));
                self.closer.cut(TransportError::WriteTimedOut(timeout));
                Poll::Ready(Err(self.aborted()))
            }
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closer.is_cut() {
            return Poll::Ready(Err(this.aborted()));
        }
        if this.read_in_turn >= READ_TURN_BYTES {
            this.read_in_turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.tcp).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                this.read_in_turn += buf.filled().len() - before;
                if buf.filled().len() == before && buf.remaining() > 0 {
                    // There are no half-open links: after the peer has closed its side, there is nothing to write for.
                    this.closer.cut(TransportError::Closed);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(this.failed(error))),
            Poll::Pending => {
                this.read_in_turn = 0;
                ready!(this.cut_reader.as_mut().poll(cx));
                Poll::Ready(Err(this.aborted()))
            }
        }
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.closer.is_cut() {
            return Poll::Ready(Err(this.aborted()));
        }
        let outcome = Pin::new(&mut this.tcp).poll_write(cx, buf);
        this.after_write(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.closer.is_cut() {
            return Poll::Ready(Err(this.aborted()));
        }
        let outcome = Pin::new(&mut this.tcp).poll_write_vectored(cx, bufs);
        this.after_write(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

impl Drop for GuardedStream {
    fn drop(&mut self) {
        // After a failure, the contents of the send buffer are useless. The socket is reset, so that the peer notices
        // the close at once and the operating system does not keep sending to a peer that does not read.
        let orderly = matches!(self.closer.reason(), None | Some(TransportError::Closed));
        if !orderly && self.closer.is_cut() {
            let _ = self.tcp.set_zero_linger();
        }
        self.closer.0.gone.cancel();
        self.closer.0.progress.notify_waiters();
    }
}
