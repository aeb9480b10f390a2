//! When an instance is passed over because nothing is heard of it although calls wait for its answers. A process that
//! is frozen, or a connection that is stuck, is found long before the connection is closed as silent. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// After how much silence, with calls in flight, an instance is pinged.
const SILENCE: Duration = Duration::from_secs(1);
/// How long it has to be heard after that.
const WAIT: Duration = Duration::from_secs(1);
/// How often one that is passed over is looked at.
const AGAIN: Duration = Duration::from_millis(100);
/// Points in time are kept in milliseconds.
const PRECISION: Duration = Duration::from_millis(1);

/// How an instance stands in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    Heard,
    /// It was pinged because it was silent, and was not heard since.
    Pinged(Instant),
    /// It is passed over.
    PassedOver(Instant),
}

/// What follows from looking at an instance.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) silence: Silence,
    /// It is to be pinged now.
    pub(super) ping: bool,
    /// When to look again. `None`: not before there are calls in flight.
    pub(super) again: Option<Instant>,
}

impl Silence {
    /// `heard` is when something was last heard; `busy` says whether calls are in flight.
    pub(super) fn look(self, heard: Instant, busy: bool, now: Instant) -> Look {
        match self {
            Self::Pinged(at) | Self::PassedOver(at) if heard + PRECISION > at => {
                Self::Heard.look(heard, busy, now)
            }
            Self::PassedOver(_) => self.again(now + AGAIN),
            Self::Pinged(at) if now >= at + WAIT => Self::PassedOver(at).again(now + AGAIN),
            Self::Pinged(at) => self.again(at + WAIT),
            Self::Heard if !busy => Look {
                silence: self,
                ping: false,
                again: None,
            },
            Self::Heard if now >= heard + SILENCE => Look {
                ping: true,
                ..Self::Pinged(now).again(now + WAIT)
            },
            Self::Heard => self.again(heard + SILENCE),
        }
    }

    fn again(self, again: Instant) -> Look {
        Look {
            silence: self,
            ping: false,
            again: Some(again),
        }
    }

    pub(super) fn is_passed_over(self) -> bool {
        matches!(self, Self::PassedOver(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_idle_instance_may_be_silent() {
        let heard = Instant::now();
        let look = Silence::Heard.look(heard, false, heard + 10 * SILENCE);
        assert_eq!(look.silence, Silence::Heard);
        assert!(!look.ping);
        assert_eq!(look.again, None);
    }

    #[test]
    fn with_calls_in_flight_it_is_pinged_after_a_second_and_passed_over_after_another() {
        let heard = Instant::now();
        let early = Silence::Heard.look(heard, true, heard + SILENCE - MS);
        assert_eq!(early.silence, Silence::Heard);
        assert_eq!(early.again, Some(heard + SILENCE));
        let pinged_at = heard + SILENCE;
        let pinged = Silence::Heard.look(heard, true, pinged_at);
        assert_eq!(pinged.silence, Silence::Pinged(pinged_at));
        assert!(pinged.ping);
        assert_eq!(pinged.again, Some(pinged_at + WAIT));
        // That the calls have ended meanwhile says nothing of the instance.
        let waiting = pinged.silence.look(heard, false, pinged_at + WAIT - MS);
        assert_eq!(waiting.silence, pinged.silence);
        assert!(!waiting.ping, "once");
        let over = pinged.silence.look(heard, false, pinged_at + WAIT);
        assert!(over.silence.is_passed_over());
        let still = over.silence.look(heard, false, pinged_at + 9 * WAIT);
        assert!(still.silence.is_passed_over());
        assert!(still.again.is_some(), "until it is heard");
    }

    #[test]
    fn it_is_back_as_soon_as_it_is_heard() {
        let at = Instant::now();
        for silence in [Silence::Pinged(at), Silence::PassedOver(at)] {
            let heard = at + 3 * SILENCE;
            let look = silence.look(heard, true, heard);
            assert_eq!(look.silence, Silence::Heard);
            assert_eq!(look.again, Some(heard + SILENCE));
        }
    }
}
