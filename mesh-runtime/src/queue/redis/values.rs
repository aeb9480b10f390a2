//! How jobs, times and keys are written in Redis, and read back. No I/O in here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::queue::{Due, Job};

/// A job of a stream, as it was leased.
pub(super) type RawEntry = (String, Vec<Bytes>);

/// The job of an entry. The group has handed it out `delivered` times since it was added.
pub(super) fn read(fields: &[Bytes], delivered: u32) -> Option<Job> {
    let field = |name: &str| {
        let at = fields.chunks_exact(2).find(|pair| pair[0] == name)?;
        Some(at[1].clone())
    };
    let number = |name| std::str::from_utf8(&field(name)?).ok()?.parse::<u64>().ok();
    let id = field("i")?;
    let attempts = u32::try_from(number("n")?).ok()?;
    let id = std::str::from_utf8(&id).ok()?.into();
    let attempt = attempts.saturating_add(delivered);
    let job = Job::new(id, field("p")?, attempt, time(number("t")?));
    Some(job.set_aside_since(number("s").map(time)))
}

/// How the script is told when a job is due.
pub(super) fn due_text(due: Due) -> String {
    match due {
        Due::Now => "".into(),
        Due::After(delay) => format!("+{}", millis(delay)),
        Due::At(at) => format!(
            "@{}",
            millis(at.duration_since(UNIX_EPOCH).unwrap_or_default())
        ),
    }
}

pub(super) fn delay_of(due: Due) -> Duration {
    match due {
        Due::Now => Duration::ZERO,
        Due::After(delay) => delay,
        Due::At(at) => at.duration_since(SystemTime::now()).unwrap_or_default(),
    }
}

/// Keys of any length, and what they say, stay out of Redis.
pub(super) fn hashed(key: &str) -> [u8; 16] {
    let digest = Sha256::digest(key.as_bytes());
    std::array::from_fn(|at| digest[at])
}

/// Milliseconds, few enough to be exact in Lua's numbers, and not 0 for what is more than nothing.
pub(super) fn millis(span: Duration) -> u64 {
    const CENTURIES: u64 = 1 << 43;
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    millis.max(u64::from(!span.is_zero())).min(CENTURIES)
}

pub(super) fn time(unix_ms: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_millis(unix_ms))
        .unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_whatever_the_order_of_its_fields() {
        let fields = |texts: &[&'static str]| -> Vec<Bytes> {
            texts.iter().map(|text| Bytes::from(*text)).collect()
        };
        let whole = ["p", "payload", "n", "2", "i", "job-1", "t", "5"];
        let job = read(&fields(&whole), 1).unwrap();
        assert_eq!((job.id.as_str(), job.attempt), ("job-1", 3));
        assert_eq!(job.payload, "payload");
        assert_eq!(job.enqueued_at, time(5));
        for missing in [&whole[2..], &whole[..6], &whole[..7], &[]] {
            assert_eq!(read(&fields(missing), 1), None, "{missing:?}");
        }
        let garbage = ["p", "", "n", "-1", "i", "job-1", "t", "5"];
        assert_eq!(read(&fields(&garbage), 1), None);
    }

    #[test]
    fn spans_become_milliseconds_that_lua_can_count() {
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::MAX), 1 << 43);
        assert_eq!(due_text(Due::After(Duration::from_secs(2))), "+2000");
        assert_eq!(due_text(Due::At(UNIX_EPOCH - Duration::from_secs(1))), "@0");
    }
}
