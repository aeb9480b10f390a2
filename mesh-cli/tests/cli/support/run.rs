//! Runs the command `mesh` as a process of its own, with nothing in its environment but what a test gives it.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use super::signal;

/// How long the command may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A call of the command that is not made yet.
#[derive(Clone)]
#[must_use]
pub(crate) struct Cli {
    args: Vec<String>,
    variables: BTreeMap<&'static str, OsString>,
    stdin: Option<String>,
}

impl Cli {
    /// With these arguments, and no variables but `PATH`.
    pub(crate) fn new(args: &[&str]) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            variables: BTreeMap::from([("PATH", path)]),
            stdin: None,
        }
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name, value.into());
        self
    }

    /// Unsets a variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// What comes from standard input. Otherwise nothing does.
    pub(crate) fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// The process to start. It is killed when dropped.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mesh"));
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.variables)
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end.
    pub(crate) async fn run(self) -> Done {
        let stdin = match self.stdin {
            Some(_) => Stdio::piped(),
            None => Stdio::null(),
        };
        let mut command = self.command();
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        if let (Some(text), Some(mut stdin)) = (&self.stdin, child.stdin.take()) {
            let written = stdin.write_all(text.as_bytes()).await;
            written.expect("the command reads its input");
        }
        let output = timeout(LIMIT, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("mesh {:?} hangs", self.args));
        let output = output.expect("the command ends");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Done {
            args: self.args,
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Starts it, to read its output line by line.
    pub(crate) fn start(self) -> Running {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let stdout = child.stdout.take().expect("it is piped");
        Running {
            child,
            lines: BufReader::new(stdout).lines(),
        }
    }
}

/// A call of the command that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    args: Vec<String>,
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// It has done what was asked.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ends_with(0)
    }

    /// It has this exit code.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "mesh {:?}: {self:#?}", self.args);
        self
    }

    /// Its output has this text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "{text:?} is not in {self:#?}");
        self
    }

    /// Its errors, warnings and hints have this text.
    #[track_caller]
    pub(crate) fn tells(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in {self:#?}");
        self
    }

    /// The JSON that its output is.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The line of its output that begins so.
    #[track_caller]
    pub(crate) fn line(&self, beginning: &str) -> &str {
        let mut lines = self.stdout.lines();
        lines
            .find(|line| line.starts_with(beginning))
            .unwrap_or_else(|| panic!("no line begins with {beginning:?} in {self:#?}"))
    }
}

/// A call of the command that goes on.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Waits for the first line that is wanted, and returns it. Skips the lines before it.
    pub(crate) async fn line(&mut self, mut is_wanted: impl FnMut(&str) -> bool) -> String {
        loop {
            let line = self.lines.next_line().await.expect("UTF-8");
            let line = line.expect("the command has ended");
            if is_wanted(&line) {
                return line;
            }
        }
    }

    /// Presses Ctrl-C, and waits for the end.
    pub(crate) async fn interrupt(mut self) -> ExitStatus {
        signal(self.child.id().expect("it runs"), "INT");
        let ended = timeout(LIMIT, self.child.wait()).await;
        ended
            .expect("it ends after Ctrl-C")
            .expect("it can be waited for")
    }
}
