//! Calling over one link: what a caller sends, what it waits for, and how it gives up.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{
    budget::{Full, NoRoom},
    in_flight::{Pending, Reply},
    link::Link,
    outbox::QueuedFrame,
};
use crate::{
    close::CloseReason,
    wire::{
        frame::{CallPayload, FirstPart, Frame},
        status::FailureCode,
    },
};

/// Why a call over one link got no reply.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// The link's budget is exhausted. The call was not sent.
    Full { what: String },
    /// The link closed.
    Lost { reason: CloseReason, sent: bool },
    /// The deadline passed, here or at the other end, which had this long. `None` if the call was not sent.
    Late { had: Option<Duration> },
    /// The other side replied with a failure.
    Remote(FailureCode, String),
    /// A rule of the other side refused the call, with this code and text.
    Refused(u32, String),
}

impl Link {
    /// Calls the other end and waits for the reply, until `deadline`. Dropping the future cancels the call at the other
    /// end.
    pub(crate) async fn call(
        &self,
        command: u32,
        payload: impl Into<CallPayload>,
        deadline: Instant,
    ) -> Result<Bytes, CallFailure> {
        let payload = payload.into();
        let permit = self
            .budget
            .call_permit()
            .map_err(|Full { limit }| CallFailure::Full {
                what: format!("{limit} calls are in flight to {}", self.peer.id),
            })?;
        let reserved = timeout_at(deadline, self.budget.reserve(payload.bytes.len()))
            .await
            .map_err(|_| CallFailure::Late { had: None })?
            .map_err(|no_room| self.unsent(&no_room))?;
        let (call, pending) =
            self.in_flight()
                .open(permit, reserved)
                .map_err(|reason| CallFailure::Lost {
                    reason,
                    sent: false,
                })?;
        let mut guard = CallGuard {
            link: self,
            call,
            pending: Arc::clone(&pending),
            answered: false,
        };
        let deadline_ms = remaining_ms(deadline);
        let had = || Some(Duration::from_millis(deadline_ms.into()));
        let frame = Frame::Call {
            call,
            command,
            deadline_ms,
            part: FirstPart::of_call(payload),
        };
        self.channel
            .push(QueuedFrame::call(frame, Arc::clone(&pending)));
        let Ok(answer) = timeout_at(deadline, pending.answered()).await else {
            let had = if guard.give_up() { None } else { had() };
            return Err(CallFailure::Late { had });
        };
        guard.answered = true;
        match answer {
            Reply::Ok(bytes) => Ok(bytes),
            Reply::Failed(FailureCode::DeadlineExceeded, _) => {
                Err(CallFailure::Late { had: had() })
            }
            Reply::Failed(code, text) => Err(CallFailure::Remote(code, text)),
            Reply::Refused(code, text) => Err(CallFailure::Refused(code, text)),
            Reply::LinkLost(reason) => Err(CallFailure::Lost {
                reason,
                sent: !guard.give_up(),
            }),
        }
    }

    /// Sends a tell to the other end, which does not reply. Waits for room until `deadline`. Cancel safe: a tell that
    /// was not handed over yet is not sent.
    pub(crate) async fn tell(
        &self,
        command: u32,
        payload: impl Into<CallPayload>,
        deadline: Instant,
    ) -> Result<(), CallFailure> {
        let payload = payload.into();
        let admitted = async {
            let permit = self.budget.tell_permit().await?;
            Ok((permit, self.budget.reserve(payload.bytes.len()).await?))
        };
        let (permit, reserved) = timeout_at(deadline, admitted)
            .await
            .map_err(|_| CallFailure::Full {
                what: format!("{} takes no more for now", self.peer.id),
            })?
            .map_err(|no_room| self.unsent(&no_room))?;
        permit.spend();
        reserved.spend();
        let pushed = self.channel.send(Frame::Tell {
            tell: self.next_tell.fetch_add(1, Ordering::Relaxed),
            command,
            part: FirstPart::of_call(payload),
        });
        if pushed {
            Ok(())
        } else {
            Err(self.unsent(&NoRoom::Closed))
        }
    }

    /// Why something could not be sent.
    fn unsent(&self, no_room: &NoRoom) -> CallFailure {
        if *no_room != NoRoom::Closed {
            return CallFailure::Full {
                what: no_room.to_string(),
            };
        }
        // The close reason is set before the budget is closed.
        let reason = self.channel.close_reason().cloned();
        CallFailure::Lost {
            reason: reason.unwrap_or_else(|| CloseReason::Lost(no_room.to_string())),
            sent: false,
        }
    }
}

/// Gives up a call when its future is dropped.
struct CallGuard<'a> {
    link: &'a Link,
    call: u64,
    pending: Arc<Pending>,
    answered: bool,
}

impl CallGuard<'_> {
    /// Gives up the call. Returns true if it was never sent, and never will be.
    fn give_up(&mut self) -> bool {
        self.answered = true;
        let consumed = self.link.in_flight().forget(self.call);
        self.link.consumed(consumed);
        let unsent = self.pending.abandon();
        if !unsent {
            self.link.channel.drop_call(self.call);
            self.link.channel.send(Frame::Cancel { call: self.call });
        }
        unsent
    }
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.give_up();
        }
    }
}

fn remaining_ms(deadline: Instant) -> u32 {
    let left = deadline.saturating_duration_since(Instant::now());
    // Rounded up and never 0, which would mean the longest time there is.
    u32::try_from(left.as_micros().div_ceil(1000)).map_or(u32::MAX, |ms| ms.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_left_is_never_sent_as_none() {
        let now = Instant::now();
        assert_eq!(remaining_ms(now), 1);
        assert_eq!(remaining_ms(now + Duration::from_micros(1500)), 2);
        assert_eq!(
            remaining_ms(now + Duration::from_secs(u32::MAX.into())),
            u32::MAX
        );
    }
}
