//! The servers as seen by the bench: processes that run this same program, as a [`child`](super::child), and one of
//! which can be frozen. They end when their standard input closes, so that none outlives the bench.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use super::{SERVERS, child};
use crate::{Failure, contest::Peer};

/// All servers of one contender.
pub(super) struct Servers(Vec<Server>);

/// One process. It is killed when this is dropped.
struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Servers {
    /// Starts them, and waits until all are ready. `env` is added to their environment.
    pub(super) fn start(peer: Peer, env: &[(&str, String)]) -> Result<Self, Failure> {
        let servers = (0..SERVERS).map(|_| Server::start(peer, env));
        Ok(Self(servers.collect::<Result<_, _>>()?))
    }

    pub(super) fn addrs(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|server| server.addr).collect()
    }

    /// Stops all threads of one server. Its connections stay open.
    pub(super) fn freeze_one(&self) -> Result<(), Failure> {
        self.signal_one("STOP")
    }

    /// The frozen server goes on.
    pub(super) fn thaw(&self) -> Result<(), Failure> {
        self.signal_one("CONT")
    }

    fn signal_one(&self, name: &str) -> Result<(), Failure> {
        let server = self.0.first().ok_or("there is no server")?;
        let status = Command::new("kill")
            .args(["-s", name, &server.child.id().to_string()])
            .status()
            .map_err(|error| format!("kill (Debian: procps) could not be run: {error}"))?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("kill -s {name} failed: {status}").into()),
        }
    }
}

impl Server {
    fn start(peer: Peer, env: &[(&str, String)]) -> Result<Self, Failure> {
        let mut child = Command::new(env::current_exe()?)
            .args([child::FLAG, peer.name()])
            .envs(env.iter().cloned())
            .env("MESH_BIND", "127.0.0.1:0")
            .env_remove("MESH_INSTANCE")
            .env_remove("MESH_ADVERTISE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // In a process group of its own. If the bench is killed while this process is frozen, the group is an
            // orphan, and Linux continues it and hangs it up.
            .process_group(0)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("a process without output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let addr = line.trim().parse();
        let addr = addr.map_err(|_| "a server has ended before it was ready")?;
        Ok(Self { child, addr })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // By SIGKILL, which ends a frozen process too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
