//! What a process has used, as reported by Linux in /proc.

use std::fs;

use crate::Failure;

/// Memory of a process, in KiB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// Resident memory now (VmRSS).
    pub(crate) resident: f64,
    /// Peak resident memory (VmHWM).
    pub(crate) peak: f64,
}

/// Reads the memory of a process.
pub(crate) fn memory(pid: u32) -> Result<Memory, Failure> {
    let path = format!("/proc/{pid}/status");
    let status = read(&path)?;
    let kib = |field: &str| -> Result<f64, Failure> {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.split_whitespace().next());
        let number = number.and_then(|number| number.parse().ok());
        number.ok_or_else(|| format!("{path} has no line `{field}`").into())
    };
    Ok(Memory {
        resident: kib("VmRSS:")?,
        peak: kib("VmHWM:")?,
    })
}

/// How many files this process may have open.
pub(crate) fn open_files() -> Result<usize, Failure> {
    let path = "/proc/self/limits";
    let limits = read(path)?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    match soft {
        Some("unlimited") => Ok(usize::MAX),
        Some(number) => Ok(number.parse()?),
        None => Err(format!("{path} has no line `Max open files`").into()),
    }
}

fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}").into())
}
