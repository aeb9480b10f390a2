//! Starts the program, reads its output, and manages its processes. Every wait has a deadline.

use std::{
    collections::HashMap,
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// Longer than any step takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The orders that come with the shop.
pub(crate) fn shipped_orders() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/orders.csv")
}

/// A file for one test.
pub(crate) fn file(name: &str, text: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("the directory for tests can be written");
    path
}

/// A file with more orders than can be placed before the test is over.
pub(crate) fn many_orders(name: &str) -> PathBuf {
    let made = shop()
        .args(["generate", "--lines", "300000", "--malformed", "0"])
        .output();
    file(name, &made.expect("the program starts").stdout)
}

/// The program, without the `MESH_*` settings of the environment in which the tests run.
pub(crate) fn shop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("MESH_") {
            command.env_remove(variable);
        }
    }
    command
}

/// A process of the shop that a test started. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

impl Process {
    /// Starts the program as the head of a process group, as a shell does.
    pub(crate) fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Self {
        let mut child = shop()
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("the program starts");
        Self {
            stdout: Lines::of(child.stdout.take().expect("it is piped")),
            stderr: Lines::of(child.stderr.take().expect("it is piped")),
            child,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to this process alone.
    pub(crate) fn signal(&self, signal: &str) {
        send(signal, &self.pid().to_string());
    }

    /// Sends a signal to this process and all others of its group, as a terminal does on Ctrl-C.
    pub(crate) fn signal_group(&self, signal: &str) {
        send(signal, &format!("-{}", self.pid()));
    }

    /// Waits until it has ended.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let mut status = None;
        until("the program has ended", || {
            status = self
                .child
                .try_wait()
                .expect("it is a child of this process");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// The process ids of the children of `shop run --print-pids`, by name.
    pub(crate) fn children(&mut self) -> HashMap<String, u32> {
        let mut children = HashMap::new();
        while children.len() < 7 {
            let line = self.stderr.wait_for("PID ");
            let (pid, name) = line["PID ".len()..]
                .split_once(' ')
                .expect("a process id and a name");
            children.insert(name.to_owned(), pid.parse().expect("a process id"));
        }
        children
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails if the process has already ended, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub(crate) fn send(signal: &str, target: &str) {
    let sent = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -{signal} {target}"))
        .status();
    assert!(
        sent.expect("there is a shell").success(),
        "no signal could be sent to {target}"
    );
}

/// Lines as they are written.
pub(crate) struct Lines {
    coming: Receiver<String>,
    read: Vec<String>,
}

impl Lines {
    fn of(source: impl Read + Send + 'static) -> Self {
        let (send, coming) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            coming,
            read: Vec::new(),
        }
    }

    /// Waits for a line with this prefix.
    pub(crate) fn wait_for(&mut self, beginning: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .coming
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.read.push(line.clone());
                    if line.starts_with(beginning) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no line `{beginning}…` in time; read {:#?}", self.read)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("no line `{beginning}…`; read {:#?}", self.read)
                }
            }
        }
    }

    /// All lines until the end, including those that were already waited for.
    pub(crate) fn all(&mut self) -> &[String] {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .coming
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.read.push(line),
                Err(RecvTimeoutError::Disconnected) => return &self.read,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("there is no end in time; read {:#?}", self.read)
                }
            }
        }
    }
}

/// Waits until none of these processes runs. Nothing reports the exit of a grandchild, so this polls.
pub(crate) fn all_end<'a>(pids: impl IntoIterator<Item = (&'a String, &'a u32)>) {
    for (name, pid) in pids {
        until(&format!("{name} ({pid}) has ended"), || !runs(*pid));
    }
}

/// Whether a process of the shop with this id runs. A zombie does not count.
pub(crate) fn runs(pid: u32) -> bool {
    let listed = Command::new("ps")
        .args(["-o", "stat=,args=", "-p", &pid.to_string()])
        .output();
    let listed = String::from_utf8_lossy(&listed.expect("there is ps").stdout).into_owned();
    listed.contains("shop") && !listed.trim_start().starts_with('Z')
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
