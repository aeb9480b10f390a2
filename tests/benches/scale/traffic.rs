//! Bytes that sockets have sent.
//!
//! Neither of the cheaper counters is right. `wchar` in /proc/PID/io omits what goes through `send`, which tokio uses
//! for most writes. The loopback interface counts everything that passes it, whoever sent it, with all headers. So this
//! asks the kernel for each TCP socket, through `ss`, for the bytes that were sent for its application, without
//! headers, and with retransmissions counted once. That costs the measured process nothing. A closed socket is no
//! longer in the list.

use std::{collections::HashMap, process::Command};

use crate::Failure;

/// The open sockets at one moment: the bytes sent, by local and remote address.
pub(crate) struct Sockets(HashMap<(String, String), u64>);

impl Sockets {
    /// All connected TCP sockets of this machine with one end, local or remote, at one of these ports of loopback.
    pub(crate) fn at(ports: &[u16]) -> Result<Self, Failure> {
        let output = Command::new("ss")
            .args(["--tcp", "--info", "--numeric", "--no-header", "--oneline"])
            .args(["state", "established", "src", "127.0.0.1"])
            .output()
            .map_err(|error| format!("ss (Debian: iproute2) could not be run: {error}"))?;
        if !output.status.success() {
            return Err(format!("ss failed: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let listing = String::from_utf8_lossy(&output.stdout);
        let sockets = listing.lines().filter_map(|line| parse(line, ports));
        Ok(Self(sockets.collect()))
    }

    /// Bytes sent by all of them.
    pub(crate) fn sent(&self) -> u64 {
        self.0.values().sum()
    }

    /// Bytes sent from `port` since `before`, by the sockets that are in both lists.
    pub(crate) fn sent_since(&self, before: &Self, port: u16) -> u64 {
        let both = self.0.iter().filter_map(|(ends, now)| {
            let then = before.0.get(ends)?;
            (port_of(&ends.0) == Some(port)).then_some(now - then)
        });
        both.sum()
    }

    /// Bytes sent from `port`.
    pub(crate) fn sent_from(&self, port: u16) -> u64 {
        let from = self
            .0
            .iter()
            .filter(|(ends, _)| port_of(&ends.0) == Some(port));
        from.map(|(_, bytes)| bytes).sum()
    }
}

/// `RECV-Q SEND-Q LOCAL REMOTE ... bytes_sent:N ...`. The state is omitted if only one state was asked for.
fn parse(line: &str, ports: &[u16]) -> Option<((String, String), u64)> {
    let mut fields = line.split_whitespace().skip(2);
    let (local, remote) = (fields.next()?, fields.next()?);
    let ours = |addr: &str| port_of(addr).is_some_and(|port| ports.contains(&port));
    if !ours(local) && !ours(remote) {
        return None;
    }
    let (mut sent, mut again) = (0, 0);
    // Either is omitted while it is zero.
    for field in fields {
        if let Some(bytes) = field.strip_prefix("bytes_sent:") {
            sent = bytes.parse().ok()?;
        } else if let Some(bytes) = field.strip_prefix("bytes_retrans:") {
            again = bytes.parse().ok()?;
        }
    }
    Some(((local.to_owned(), remote.to_owned()), sent - again))
}

fn port_of(addr: &str) -> Option<u16> {
    addr.rsplit_once(':')?.1.parse().ok()
}
