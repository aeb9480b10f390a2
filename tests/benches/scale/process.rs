//! The other processes of a measurement, as seen by this one: a master alone in its process, and crews of nodes. They
//! run this same program, as a [`child`](crate::child), and end when their standard input closes, so that none outlives
//! the bench.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use mesh_runtime::Keys;

use crate::{Failure, child};

/// Raises the limit of open files as far as the system allows, then runs the program.
const WITH_ALL_FILES: &str = r#"ulimit -n "$(ulimit -H -n)"; exec "$0" "$@""#;

/// A child of the bench.
pub(crate) struct Process {
    child: Child,
    /// `None` once the process should end.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    fn start(part: &str, heartbeat: Heartbeat, env: &[(&str, &str)]) -> Result<Self, Failure> {
        let mut child = Command::new("sh")
            .args(["-c", WITH_ALL_FILES])
            .arg(env::current_exe()?)
            .args([child::FLAG, part, heartbeat.name()])
            .envs(env.iter().copied())
            .env("MESH_BIND", "127.0.0.1:0")
            .env_remove("MESH_INSTANCE")
            .env_remove("MESH_ADVERTISE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("sh could not be run: {error}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("a process without output")?;
        Ok(Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a command.
    pub(crate) fn tell(&mut self, what: &str) -> Result<(), Failure> {
        let stdin = self.stdin.as_mut().ok_or("the process is ending")?;
        Ok(writeln!(stdin, "{what}")?)
    }

    /// Waits until it has executed the command, and returns the numbers that it prints.
    pub(crate) fn answer(&mut self) -> Result<Vec<usize>, Failure> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        let Some(numbers) = line.strip_prefix(child::DONE) else {
            return Err(match line.trim() {
                "" => "a process of the bench has ended before its time".into(),
                line => line.into(),
            });
        };
        let numbers = numbers.split_whitespace().map(str::parse);
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    /// Sends a command and waits until it is executed.
    pub(crate) fn ask(&mut self, what: &str) -> Result<Vec<usize>, Failure> {
        self.tell(what)?;
        self.answer()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How often idle connections send heartbeats.
#[derive(Clone, Copy)]
pub(crate) enum Heartbeat {
    /// The default interval.
    Usual,
    /// Every 10 minutes, so that heartbeats do not disturb a measurement.
    Rare,
}

impl Heartbeat {
    fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Rare => "rare",
        }
    }
}

/// A mesh in several processes.
pub(crate) struct Site {
    /// First, because fields are dropped in this order, and nodes without a master would look for it.
    pub(crate) crews: Vec<Process>,
    pub(crate) master: Process,
    /// The port of the master.
    pub(crate) port: u16,
}

impl Site {
    /// Starts a master, and crews without nodes, each of which needs at most `files` open files.
    pub(crate) fn start(crews: usize, files: usize, heartbeat: Heartbeat) -> Result<Self, Failure> {
        let private = Keys::generate();
        let keys = [("MESH_PUBLIC_KEY", "scale"), ("MESH_PRIVATE_KEY", &private)];
        let mut master = Process::start(child::MASTER, heartbeat, &keys)?;
        let answer = master.answer()?;
        let &[port, limit] = answer.as_slice() else {
            return Err("the master does not say where it listens".into());
        };
        if limit < files {
            return Err(format!(
                "a process here may have {limit} open files, and one of the bench needs {files}: raise the hard limit \
                 (`ulimit -H -n` tells it)"
            )
            .into());
        }
        let port = u16::try_from(port)?;
        let addr = format!("127.0.0.1:{port}");
        let env = [keys[0], keys[1], ("MESH_MASTER", &addr)];
        let mut site = Self {
            crews: Vec::new(),
            master,
            port,
        };
        for _ in 0..crews {
            let mut crew = Process::start(child::CREW, heartbeat, &env)?;
            crew.answer()?;
            site.crews.push(crew);
        }
        Ok(site)
    }
}
