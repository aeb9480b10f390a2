//! Time as whole milliseconds, as it travels.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The milliseconds of a span, rounded down.
pub(crate) fn of(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The milliseconds since 1970; 0 for times before.
pub(crate) fn since_1970(time: SystemTime) -> u64 {
    of(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}
