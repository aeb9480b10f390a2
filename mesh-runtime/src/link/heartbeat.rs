//! The heartbeat of a connection. Pure data.

use std::time::Duration;

/// How often an idle connection sends a heartbeat, and after how much silence of the other side it is closed.
///
/// Both must be at least 1 ms and at most 24 h, and the silence must be longer than the interval. It should be several
/// times as long, so that one late heartbeat does not close a healthy link. Default: 2 s and 10 s.
///
/// ```
/// use std::time::Duration;
/// use mesh_runtime::Heartbeat;
/// let rare = Heartbeat::every(Duration::from_secs(30));
/// assert_eq!(rare.silence, Duration::from_secs(150));
/// let strict = Heartbeat::every(Duration::from_secs(1)).silence(Duration::from_secs(3));
/// assert_eq!(strict.interval, Duration::from_secs(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heartbeat {
    /// The longest time that this side is silent while its connection is idle.
    pub interval: Duration,
    /// After how much silence of the other side the connection is closed.
    pub silence: Duration,
}

impl Heartbeat {
    /// A heartbeat at this interval. The connection is closed after five times as much silence of the other side.
    pub const fn every(interval: Duration) -> Self {
        Self {
            interval,
            silence: interval.saturating_mul(5),
        }
    }

    /// The same heartbeat, with another limit on silence.
    pub const fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self::every(Duration::from_secs(2))
    }
}
