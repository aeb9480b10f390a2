//! Yielding to the other tasks of a thread.

use std::{future::poll_fn, mem, task::Poll};

/// Yields, and continues when all tasks that are ready to run on this thread now have had their turn.
///
/// After yielding, a writer finds everything that these tasks send, and writes it at once. A reader that yields lets
/// the tasks run that it has woken. Unlike [`tokio::task::yield_now`], this does not poll for I/O events before it
/// continues, because a call that is alone would have to wait for that.
pub(crate) async fn yield_to_ready_tasks() {
    let mut waited = false;
    poll_fn(|cx| {
        if mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
