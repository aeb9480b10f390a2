//! An operator's end of its link.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    close::{CloseCode, CloseReason},
    link::{
        link::{Link, LinkHost},
        serving::{CallReply, ReceivedPayload, TellPermit},
    },
    wire::status::FailureCode,
};

/// A link, and what it is attached to. Closes the link when it is dropped.
pub(super) struct OpenLink {
    pub(super) link: Arc<Link>,
    pub(super) client: Arc<Client>,
}

impl OpenLink {
    /// Waits until both sides have confirmed the link.
    ///
    /// # Errors
    /// Why it is closed, if it is.
    pub(super) async fn opened(&self) -> Result<(), CloseReason> {
        let mut state = self.client.0.subscribe();
        let settled = state
            .wait_for(|state| !matches!(state, State::Opening))
            .await;
        match settled.as_deref() {
            Ok(State::Closed(reason)) => Err(reason.clone()),
            // The sender is in this struct.
            Ok(State::Open | State::Opening) | Err(_) => Ok(()),
        }
    }

    /// Waits until the link is closed.
    pub(super) async fn closed(&self) -> CloseReason {
        let mut state = self.client.0.subscribe();
        let closed = state.wait_for(|state| matches!(state, State::Closed(_)));
        match closed.await.as_deref() {
            Ok(State::Closed(reason)) => reason.clone(),
            // The sender is in this struct.
            Ok(State::Open | State::Opening) | Err(_) => {
                CloseReason::Local(CloseCode::ShuttingDown)
            }
        }
    }
}

impl Drop for OpenLink {
    fn drop(&mut self) {
        self.link.close(CloseCode::ShuttingDown);
    }
}

impl std::fmt::Debug for OpenLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.link.peer.id)
    }
}

/// How far a link is.
#[derive(Debug)]
enum State {
    Opening,
    Open,
    Closed(CloseReason),
}

/// What a link of an operator needs from its end: nearly nothing, because an operator serves no calls.
pub(super) struct Client(watch::Sender<State>);

impl Client {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(State::Opening))
    }
}

impl LinkHost for Client {
    fn admit(&self, _: &Arc<Link>) -> Result<(), CloseCode> {
        Ok(())
    }

    fn opened(&self, _: &Arc<Link>) {
        self.0.send_replace(State::Open);
    }

    fn call(&self, _: u32, _: ReceivedPayload, reply: CallReply) {
        reply.fail(FailureCode::Incompatible, "an operator has no commands");
    }

    fn tell(&self, _: u32, _: ReceivedPayload, _: TellPermit) {}

    fn draining(&self, _: &Arc<Link>) {}

    fn lost(&self, _: &Arc<Link>, reason: &CloseReason) {
        self.0.send_replace(State::Closed(reason.clone()));
    }
}
