//! Waiting for something that others change.

use tokio::sync::watch;

/// Tells those who wait that something may have changed.
pub(crate) struct Changes(watch::Sender<()>);

impl Changes {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    pub(crate) fn tell(&self) {
        self.0.send_replace(());
    }

    /// Waits until `done` returns true, which is checked now and after each change. Cancel safe.
    pub(crate) async fn until(&self, mut done: impl FnMut() -> bool) {
        let mut changed = self.0.subscribe();
        while !done() {
            // The sender lives as long as this.
            let _ = changed.changed().await;
        }
    }
}
