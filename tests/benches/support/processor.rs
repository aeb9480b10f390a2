//! Processor time that a process has used, as reported by Linux in /proc.

use std::{error::Error, fs, time::Duration};

/// The time that a process has spent on a processor, in user mode and in the kernel, in nanoseconds. Threads that have
/// ended, or end during the call, are not included: the processes measured here keep their threads.
pub(crate) fn processor_time(pid: u32) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    let mut nanos = 0;
    let threads = format!("/proc/{pid}/task");
    let entries = fs::read_dir(&threads).map_err(|error| format!("{threads}: {error}"))?;
    for entry in entries {
        let path = format!("{}/schedstat", entry?.path().display());
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let first = text.split_whitespace().next();
        let spent: u64 = first
            .and_then(|first| first.parse().ok())
            .ok_or_else(|| format!("{path} says `{text}`"))?;
        nanos += spent;
    }
    Ok(Duration::from_nanos(nanos))
}
