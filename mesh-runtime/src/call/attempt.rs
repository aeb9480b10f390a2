//! One attempt of a call over one link. This is the only module that hands a call or a tell to a link. It checks the
//! verdict on the command, turns a failure into the caller's error, and decides whether another instance may be tried
//! and which error of several attempts is reported.

use std::time::Duration;

use bytes::Bytes;
use tracing::{Instrument, Span};

use super::started::StartedCall;
use crate::{
    callee::{Picked, Showing},
    close::CloseReason,
    error::{CallError, CodecError},
    id::NodeId,
    link::{calling::CallFailure, link::Link},
    metrics::EndStatus,
    spans,
    verdict::Verdict,
    wire::status::FailureCode,
};

/// Calls an instance and waits for the encoded reply. Dropping the future cancels the call at the other end.
///
/// `number` counts the attempts of the call, from 1 on.
pub(super) async fn call(
    call: &StartedCall<'_>,
    number: u32,
    to: &Picked<'_>,
) -> Result<Bytes, CallError> {
    if call.is_observed() {
        let link = &to.instance.link;
        Box::pin(observed(call, link, number, called(call, number, to))).await
    } else {
        called(call, number, to).await
    }
}

async fn called(call: &StartedCall<'_>, number: u32, to: &Picked<'_>) -> Result<Bytes, CallError> {
    let link = &*to.instance.link;
    permitted(call, link)?;
    let payload = call.payload_to(link, number).await?;
    to.begin();
    let result = link.call(call.spec().id, payload, call.deadline.at).await;
    to.end(showing(&result, || call.fair_time()));
    result.map_err(|failure| error(call, &link.peer.id, failure))
}

/// Sends a tell over `link`, to which the other end does not reply. Cancel safe: a tell that was not handed to the link
/// yet is not sent.
pub(super) async fn tell(call: &StartedCall<'_>, link: &Link) -> Result<(), CallError> {
    if call.is_observed() {
        Box::pin(observed(call, link, 1, told(call, link))).await
    } else {
        told(call, link).await
    }
}

async fn told(call: &StartedCall<'_>, link: &Link) -> Result<(), CallError> {
    permitted(call, link)?;
    let payload = call.payload_to(link, 1).await?;
    link.tell(call.spec().id, payload, call.deadline.at)
        .await
        .map_err(|failure| error(call, &link.peer.id, failure))
}

/// An attempt, within its span.
async fn observed<T>(
    call: &StartedCall<'_>,
    link: &Link,
    number: u32,
    attempt: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let span = spans::attempt(call.name(), &link.peer.id, &link.peer.addr, number);
    call.attempt_begins(&link.peer.id);
    let mut unfinished = Unfinished {
        call,
        span: &span,
        failed: Some(EndStatus::Cancelled),
    };
    let result = attempt.instrument(span.clone()).await;
    unfinished.failed = result.as_ref().err().map(EndStatus::from);
    result
}

/// Notes how an attempt has ended, when it is dropped.
struct Unfinished<'a> {
    call: &'a StartedCall<'a>,
    span: &'a Span,
    failed: Option<EndStatus>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(status) = self.failed {
            spans::failed(self.span, status);
            self.call.attempt_failed();
        }
    }
}

fn permitted(call: &StartedCall<'_>, link: &Link) -> Result<(), CallError> {
    match link.peer.verdicts.outgoing(call.spec().id) {
        Verdict::Allowed => Ok(()),
        Verdict::Denied => Err(CallError::Denied {
            command: call.command(),
        }),
        Verdict::Incompatible => Err(CallError::Incompatible {
            what: format!(
                "{} declares {} otherwise, or not at all",
                link.peer.id,
                call.command()
            ),
        }),
    }
}

/// What the end of an attempt says about the health of the instance. Nothing, if the call was not sent, or if the
/// deadline passed and the instance had less than a fair time. Every other answer says that the instance is well, but
/// for those of one that is shutting down.
fn showing(result: &Result<Bytes, CallFailure>, fair_time: impl FnOnce() -> Duration) -> Showing {
    let failure = match result {
        Ok(_) => return Showing::Well,
        Err(failure) => failure,
    };
    match failure {
        CallFailure::Late { had: Some(had) } if *had >= fair_time() => Showing::Late,
        CallFailure::Lost { reason, .. } => match reason {
            CloseReason::Lost(_) | CloseReason::Silent(_) | CloseReason::Violation(_) => {
                Showing::Lost
            }
            CloseReason::Goodbye(_) | CloseReason::Local(_) => Showing::Nothing,
        },
        CallFailure::Full { .. }
        | CallFailure::Late { .. }
        | CallFailure::Remote(FailureCode::ShuttingDown | FailureCode::Cancelled, _) => {
            Showing::Nothing
        }
        CallFailure::Refused(..) | CallFailure::Remote(..) => Showing::Well,
    }
}

/// The caller's error for a failed attempt.
fn error(call: &StartedCall<'_>, peer: &NodeId, failure: CallFailure) -> CallError {
    match failure {
        CallFailure::Full { what } => CallError::Overloaded {
            what,
            maybe_executed: false,
        },
        CallFailure::Lost { reason, sent } => CallError::LinkLost {
            command: call.name(),
            peer: peer.clone(),
            reason,
            maybe_executed: sent,
        },
        CallFailure::Late { had } => CallError::DeadlineExceeded {
            command: call.name(),
            peer: had.map(|_| peer.clone()),
            after: call.deadline.after,
            maybe_executed: had.is_some(),
        },
        CallFailure::Remote(code, text) => remote(call, peer.clone(), code, text),
        CallFailure::Refused(code, message) => CallError::Refused {
            peer: peer.clone(),
            code,
            message,
        },
    }
}

fn remote(call: &StartedCall<'_>, peer: NodeId, code: FailureCode, text: String) -> CallError {
    match code {
        FailureCode::Denied => CallError::Denied {
            command: call.command(),
        },
        FailureCode::Incompatible => CallError::Incompatible {
            what: format!("{peer}: {text}"),
        },
        FailureCode::Overloaded => CallError::Overloaded {
            what: format!("{peer}: {text}"),
            maybe_executed: false,
        },
        FailureCode::DeadlineExceeded => CallError::DeadlineExceeded {
            command: call.name(),
            peer: Some(peer),
            after: call.deadline.after,
            maybe_executed: true,
        },
        FailureCode::Cancelled => CallError::Cancelled { peer },
        FailureCode::HandlerPanicked => CallError::HandlerPanicked {
            peer,
            message: text,
        },
        FailureCode::Codec => CallError::Codec {
            what: format!(
                "the answer of {} could not be encoded on {peer}",
                call.command()
            ),
            source: CodecError::Encode(text),
            maybe_executed: true,
        },
        FailureCode::QueueFull | FailureCode::SharedQueueFull => CallError::QueueFull {
            peer,
            what: text,
            shared: code == FailureCode::SharedQueueFull,
        },
        FailureCode::QueueFailed => CallError::Queue {
            peer,
            message: text,
        },
        FailureCode::ShuttingDown => CallError::ShuttingDown { who: peer },
    }
}

/// Whether a failed call may be tried on another instance. That needs an error that another instance may not give, and
/// either a call that certainly did not run or an idempotent command.
pub(super) fn may_try_elsewhere(error: &CallError, idempotent: bool) -> bool {
    match error {
        CallError::Overloaded { maybe_executed, .. }
        | CallError::LinkLost { maybe_executed, .. } => idempotent || !maybe_executed,
        CallError::Cancelled { .. } => idempotent,
        CallError::ShuttingDown { .. }
        | CallError::Incompatible { .. }
        | CallError::QueueFull { shared: false, .. } => true,
        CallError::NoPeer { .. }
        | CallError::TooFewPeers { .. }
        | CallError::Denied { .. }
        | CallError::Refused { .. }
        | CallError::DeadlineExceeded { .. }
        | CallError::Codec { .. }
        | CallError::HandlerPanicked { .. }
        | CallError::QueueFull { shared: true, .. }
        | CallError::Queue { .. } => false,
    }
}

/// The error to report for a call that was tried several times. It is the error of the last attempt, unless the last
/// attempt certainly did not run and an earlier one may have.
pub(super) fn of_attempts(earlier: Option<CallError>, last: CallError) -> CallError {
    let Some(earlier) = earlier.filter(CallError::maybe_executed) else {
        return last;
    };
    match last {
        _ if last.maybe_executed() => last,
        // The passed deadline is what the caller acts on, so it is reported, but an earlier attempt may have run.
        CallError::DeadlineExceeded {
            command,
            peer,
            after,
            ..
        } => CallError::DeadlineExceeded {
            command,
            peer,
            after,
            maybe_executed: true,
        },
        _ => earlier,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        close::{CloseCode, CloseReason},
        id::CommandName,
    };

    fn peer() -> NodeId {
        NodeId::new("Billing", "b1")
    }

    const CHARGE: CommandName = CommandName {
        node_type: "Billing",
        name: "charge",
    };

    fn lost(maybe_executed: bool) -> CallError {
        CallError::LinkLost {
            command: CHARGE,
            peer: peer(),
            reason: CloseReason::Goodbye(CloseCode::ShuttingDown),
            maybe_executed,
        }
    }

    fn late(maybe_executed: bool) -> CallError {
        CallError::DeadlineExceeded {
            command: CHARGE,
            peer: None,
            after: Duration::from_secs(3),
            maybe_executed,
        }
    }

    fn draining() -> CallError {
        CallError::ShuttingDown { who: peer() }
    }

    #[test]
    fn every_answer_but_that_of_one_that_shuts_down_says_that_it_is_well() {
        let remote = |code| Err(CallFailure::Remote(code, String::new()));
        let lost = |reason| Err(CallFailure::Lost { reason, sent: true });
        let late = |had: Option<u64>| {
            Err(CallFailure::Late {
                had: had.map(Duration::from_millis),
            })
        };
        for (result, expected) in [
            (Ok(Bytes::new()), Showing::Well),
            (Err(CallFailure::Refused(1, String::new())), Showing::Well),
            (remote(FailureCode::HandlerPanicked), Showing::Well),
            (remote(FailureCode::Overloaded), Showing::Well),
            (remote(FailureCode::QueueFull), Showing::Well),
            (remote(FailureCode::SharedQueueFull), Showing::Well),
            (remote(FailureCode::Incompatible), Showing::Well),
            (remote(FailureCode::ShuttingDown), Showing::Nothing),
            (remote(FailureCode::Cancelled), Showing::Nothing),
            (late(Some(500)), Showing::Late),
            (late(Some(499)), Showing::Nothing),
            (late(None), Showing::Nothing),
            (
                Err(CallFailure::Full {
                    what: String::new(),
                }),
                Showing::Nothing,
            ),
            (lost(CloseReason::Lost("reset".into())), Showing::Lost),
            (
                lost(CloseReason::Goodbye(CloseCode::ShuttingDown)),
                Showing::Nothing,
            ),
        ] {
            let fair = || Duration::from_millis(500);
            assert_eq!(showing(&result, fair), expected, "{result:?}");
        }
    }

    #[test]
    fn what_certainly_did_not_run_may_be_tried_elsewhere_and_the_rest_if_it_is_idempotent() {
        for (error, idempotent, may) in [
            (lost(false), false, true),
            (lost(true), false, false),
            (lost(true), true, true),
            (draining(), false, true),
            (CallError::Cancelled { peer: peer() }, false, false),
            (CallError::Cancelled { peer: peer() }, true, true),
            (late(false), true, false),
        ] {
            assert_eq!(may_try_elsewhere(&error, idempotent), may, "{error:?}");
        }
    }

    #[test]
    fn an_error_across_attempts_may_have_run_if_any_attempt_may_have() {
        for (earlier, last) in [(lost(true), draining()), (lost(true), late(false))] {
            let told = of_attempts(Some(earlier), last);
            assert!(told.maybe_executed(), "{told:?}");
        }
        let told = of_attempts(Some(lost(false)), draining());
        assert!(!told.maybe_executed(), "{told:?}");
    }

    #[test]
    fn the_last_error_is_told_unless_an_earlier_one_says_more() {
        let told = of_attempts(Some(lost(false)), draining());
        assert!(matches!(told, CallError::ShuttingDown { .. }), "{told:?}");
        let told = of_attempts(Some(lost(true)), draining());
        assert!(matches!(told, CallError::LinkLost { .. }), "{told:?}");
        let told = of_attempts(Some(lost(true)), late(false));
        assert!(
            matches!(told, CallError::DeadlineExceeded { .. }),
            "{told:?}"
        );
    }
}
