//! What the same Redis does without mesh.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use deadpool_redis::redis::{
    self, Client, IntoConnectionInfo, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use tokio::process::Command;

use crate::{Failure, factory::PAYLOAD};

/// Bytes by which sealing enlarges a payload.
const SEAL: usize = 49 + 30;

/// Entries added per second by 64 connections, each of which waits for its reply. The entries are as large as those of
/// our jobs.
pub(crate) async fn redis_benchmark(addr: SocketAddr, entries: usize) -> Result<f64, Failure> {
    let payload = "x".repeat(PAYLOAD + SEAL);
    let output = Command::new("redis-benchmark")
        .args(["-h", &addr.ip().to_string(), "-p", &addr.port().to_string()])
        .args(["-c", "64", "-n", &entries.to_string(), "--csv"])
        .args([
            "XADD",
            "bench",
            "*",
            "i",
            "0123456789abcdef-123456",
            "n",
            "0",
        ])
        .args(["t", "1700000000000", "p", &payload])
        .output()
        .await
        .map_err(|error| format!("redis-benchmark could not be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate = text.lines().last().and_then(|line| {
        // The rate, followed by six latencies.
        line.rsplit("\",\"").nth(6)?.parse().ok()
    });
    rate.ok_or_else(|| format!("redis-benchmark said `{text}`").into())
}

/// Measures round trips with the client that we use.
pub(crate) struct Pinger(MultiplexedConnection);

impl Pinger {
    pub(crate) async fn new(url: &str) -> Result<Self, Failure> {
        let info = url
            .into_connection_info()?
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info)?;
        Ok(Self(client.get_multiplexed_async_connection().await?))
    }

    pub(crate) async fn ping(&mut self) -> Result<Duration, Failure> {
        let begun = Instant::now();
        redis::cmd("PING").exec_async(&mut self.0).await?;
        Ok(begun.elapsed())
    }
}
