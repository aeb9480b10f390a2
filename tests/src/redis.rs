//! A real `redis-server` on a port of its own, which tests can query, freeze, kill and restart. Knows nothing of
//! queues.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::HeldPort;

/// How long a server may take to respond after its start. It first loads its data from disk.
const START: Duration = Duration::from_secs(60);
/// The polling interval while waiting for it to respond.
const PAUSE: Duration = Duration::from_millis(20);

/// A `redis-server` that writes each change to disk before it replies. It ends, and its directory is removed, with this
/// value or with the process of the test, whichever comes first.
#[derive(Debug)]
pub struct RedisServer {
    port: HeldPort,
    directory: PathBuf,
    args: Vec<String>,
    /// The configuration file of a Sentinel, which the Sentinel rewrites.
    sentinel: Option<String>,
    running: Option<Running>,
}

/// The server process, and the guard process that ends it if the test is killed.
#[derive(Debug)]
struct Running {
    server: Child,
    guard: Child,
}

impl RedisServer {
    /// Starts a server of its own.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more arguments, such as `["--cluster-enabled", "yes"]`. The built-in arguments come first.
    pub async fn start_with(args: &[&str]) -> Self {
        let given = [
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
            "--maxmemory-policy",
            "noeviction",
        ];
        let args = given.iter().chain(args);
        Self::new(args.map(|arg| (*arg).to_owned()).collect(), None).await
    }

    /// Starts a Sentinel that watches `master` under the name `name`. It alone is enough for a quorum.
    pub async fn start_sentinel(name: &str, master: &Self) -> Self {
        let monitor = format!(
            "sentinel monitor {name} 127.0.0.1 {} 1\n",
            master.addr().port()
        );
        Self::new(vec!["--sentinel".into()], Some(monitor)).await
    }

    async fn new(args: Vec<String>, sentinel: Option<String>) -> Self {
        let mut server = Self {
            port: HeldPort::any(),
            directory: fresh_directory(),
            args,
            sentinel,
            running: None,
        };
        server.restart().await;
        server
    }

    /// The address on which it listens, or will listen again.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The same as a URL for Redis clients.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr())
    }

    /// The files that it has written.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Restarts it on the same port with its data, if it does not run, and waits until it responds.
    pub async fn restart(&mut self) {
        if self.running.is_none() {
            self.running = Some(self.spawn());
        }
        let deadline = Instant::now() + START;
        while !self.answers().await {
            assert!(
                Instant::now() < deadline,
                "redis-server does not answer on {}: see {}",
                self.addr(),
                self.log().display()
            );
            sleep(PAUSE).await;
        }
    }

    fn spawn(&self) -> Running {
        let log = fs::File::create(self.log()).expect("a file in a fresh directory");
        let mut server = Command::new("redis-server");
        if let Some(sentinel) = &self.sentinel {
            let config = self.directory.join("sentinel.conf");
            fs::write(&config, sentinel).expect("a file in a fresh directory");
            server.arg(config);
        }
        server
            .args(["--port", &self.addr().port().to_string()])
            .args(["--bind", "127.0.0.1", "--daemonize", "no", "--dir"])
            .arg(&self.directory)
            .args(&self.args);
        let server = server
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server runs: is it installed? (Debian's package redis-server)");
        // The guard's input closes when this process ends, however it ends.
        let guard = Command::new("sh")
            .args(["-c", r#"cat >/dev/null; kill -9 "$0"; rm -rf "$1""#])
            .arg(server.id().to_string())
            .arg(&self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        Running { server, guard }
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    async fn answers(&self) -> bool {
        // Any other server would reply as well, so the reply is checked: `--raw` prints only the reply.
        self.ask(&["PING"]).await.is_ok_and(|said| said == "PONG")
    }

    /// Kills it, like `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.end();
        }
    }

    /// Freezes it: connections stay open, and nothing is answered.
    pub fn stop(&self) {
        self.signal("STOP");
    }

    /// Undoes [`stop`](Self::stop).
    pub fn cont(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let running = self.running.as_ref().expect("the server runs");
        crate::signal(running.server.id(), signal);
    }

    /// Runs a command, and returns its reply as text. An array has one line per element.
    ///
    /// # Panics
    /// If the reply is an error, or there is none.
    pub async fn command(&self, command: &[&str]) -> String {
        match self.ask(command).await {
            Ok(said) => said,
            Err(error) => panic!("{command:?}: {error}"),
        }
    }

    async fn ask(&self, command: &[&str]) -> Result<String, String> {
        let done = tokio::process::Command::new("redis-cli")
            .args(["-p", &self.addr().port().to_string(), "-e", "--raw"])
            .args(command)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("redis-cli runs: is it installed? (it comes with redis-server)");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if done.status.success() {
            Ok(text(&done.stdout))
        } else {
            Err(format!("{} {}", text(&done.stdout), text(&done.stderr)))
        }
    }
}

impl Running {
    fn end(&mut self) {
        // The guard first: afterwards another process may have the server's process id.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn fresh_directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("mesh-redis-{}-{number}", process::id()));
    // A directory that a killed process with the same id has left.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory for temporary files");
    directory
}
