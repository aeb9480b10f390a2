//! The handler behind every node. What it does depends on what it is given.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use mesh_runtime::JobError;
use tokio::sync::{mpsc, watch};

use super::types::{Declined, Entry, Receipt};

/// A customer who is not charged.
pub(crate) const NOBODY: &str = "nobody";
/// A customer who is reported, and charged once the gate is open.
pub(crate) const SLOW: &str = "slow";
/// A customer with whom the handler panics: with the note of the order.
pub(crate) const GHOST: &str = "ghost";

/// Receives what the handlers report.
pub(crate) type Hearing = mpsc::UnboundedReceiver<String>;

/// A handler for every node type. Its clones share all.
#[derive(Clone)]
pub(crate) struct Desk {
    heard: mpsc::UnboundedSender<String>,
    open: Arc<watch::Sender<bool>>,
    accepts_all: Arc<AtomicBool>,
    cents: Arc<AtomicU64>,
}

impl Desk {
    /// A handler with a closed gate, and the receiver of its reports.
    pub(crate) fn new() -> (Self, Hearing) {
        let (heard, hearing) = mpsc::unbounded_channel();
        let desk = Self {
            heard,
            open: Arc::new(watch::Sender::new(false)),
            accepts_all: Arc::default(),
            cents: Arc::default(),
        };
        (desk, hearing)
    }

    /// Opens the gate for everything that waits at it, and everything that comes later.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// From now on, no job fails.
    pub(crate) fn accept_all(&self) {
        self.accepts_all.store(true, Ordering::SeqCst);
    }

    pub(super) fn hear(&self, text: impl Into<String>) {
        // The test may have dropped the receiver.
        let _ = self.heard.send(text.into());
    }

    /// Charges a customer. The receipt is what is answered if nothing is in the way.
    pub(super) async fn settle(
        &self,
        customer: &str,
        receipt: Receipt,
    ) -> Result<Receipt, Declined> {
        match customer {
            NOBODY => {
                return Err(Declined {
                    why: format!("{NOBODY} is no customer"),
                });
            }
            GHOST => panic!("{}", receipt.note.unwrap_or_default()),
            SLOW => {
                self.hear(SLOW);
                // The sender lives as long as this handler.
                let _ = self.open.subscribe().wait_for(|open| *open).await;
            }
            _ => {}
        }
        self.cents.fetch_add(receipt.cents, Ordering::SeqCst);
        Ok(receipt)
    }

    /// What has been charged.
    pub(super) fn settled(&self) -> u64 {
        self.cents.load(Ordering::SeqCst)
    }

    /// Reports the text of an entry, or fails as it says.
    pub(super) fn write(&self, entry: Entry) -> Result<(), JobError> {
        match entry.fails_with {
            Some(error) if !self.accepts_all.load(Ordering::SeqCst) => {
                Err(JobError::discard(error))
            }
            _ => {
                self.hear(entry.text);
                Ok(())
            }
        }
    }
}
