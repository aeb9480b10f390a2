//! Taking turns with the other tasks of a thread.

use std::{future::poll_fn, mem, task::Poll};

/// Goes on when all tasks have had their turn that are ready on this thread now.
///
/// A writer that waits so finds all that they have to send, and writes it at once; a reader that waits so gives those a
/// turn that it has woken. Unlike [`tokio::task::yield_now`] it does not look for what has arrived from outside
/// meanwhile: for that a call that is alone would have to wait.
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
