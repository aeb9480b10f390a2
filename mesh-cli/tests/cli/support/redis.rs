//! A real `redis-server` on a port of its own.

use std::{
    fs::File,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{HeldPort, until};

/// What a server says that is there.
const PONG: &[u8] = b"+PONG\r\n";

/// A `redis-server`. It ends, and its directory is removed, with this value or with the process of the test, whichever
/// comes first.
pub(crate) struct RedisServer {
    port: HeldPort,
    server: Child,
    /// Ends the server if the test is killed.
    guard: Child,
    _directory: TempDir,
}

impl RedisServer {
    /// Starts a server, and waits until it responds.
    pub(crate) async fn start() -> Self {
        let port = HeldPort::any();
        let directory = TempDir::new().expect("a directory for temporary files");
        let server = serve(port.addr(), directory.path());
        let guard = guard(&server, directory.path());
        let redis = Self {
            port,
            server,
            guard,
            _directory: directory,
        };
        until(async || redis.answers().await.is_ok_and(|answers| answers)).await;
        redis
    }

    /// Its URL for clients.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.port.addr())
    }

    async fn answers(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(self.port.addr()).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; PONG.len()];
        stream.read_exact(&mut answer).await?;
        Ok(answer == PONG)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // The guard first: afterwards another process may have the server's process id.
        for process in [&mut self.guard, &mut self.server] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn serve(addr: SocketAddr, directory: &Path) -> Child {
    let log = File::create(directory.join("log")).expect("a file in a fresh directory");
    let mut server = Command::new("redis-server");
    server
        .args(["--port", &addr.port().to_string(), "--bind", "127.0.0.1"])
        .args(["--appendonly", "yes", "--save", "", "--daemonize", "no"])
        .args(["--maxmemory-policy", "noeviction", "--dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server runs: is it installed? (Debian's package redis-server)")
}

fn guard(server: &Child, directory: &Path) -> Child {
    // Its input closes when this process ends, however it ends.
    Command::new("sh")
        .args(["-c", r#"cat >/dev/null; kill -9 "$0"; rm -rf "$1""#])
        .arg(server.id().to_string())
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh runs")
}
