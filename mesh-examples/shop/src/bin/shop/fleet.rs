//! The child processes of `shop run`: starting, watching and ending them. None outlives this process: each has one end
//! of a pipe as its standard input, and ends when the other end closes, however this process ends.

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use crate::{error::ShopError, output::complain, services::MASTER_LINE};

/// How long a child may take to end once its pipe is closed. Longer than its own grace period.
const END_DEADLINE: Duration = Duration::from_secs(10);
/// How long the master may take to print its address.
const ADDRESS_DEADLINE: Duration = Duration::from_secs(30);

/// All running children.
pub(crate) struct Fleet {
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
    print_pids: bool,
    children: Vec<Running>,
    /// One task per child, which waits for the child to exit and returns its index in `children`.
    ends: JoinSet<(usize, io::Result<ExitStatus>)>,
}

struct Running {
    name: String,
    pipe: Option<ChildStdin>,
    /// Kills the child, because its `Child` lives in the task that waits for it.
    kill: AbortHandle,
    ended: bool,
}

/// A child to be started.
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) args: Vec<OsString>,
    pub(crate) stdout: Stdio,
}

impl Fleet {
    /// No children yet. Each will be this same program, with `environment` and no other `MESH_*` variables.
    pub(crate) fn new(
        environment: Vec<(&'static str, String)>,
        print_pids: bool,
    ) -> Result<Self, ShopError> {
        let program = std::env::current_exe().map_err(|source| ShopError::Io {
            what: "cannot find out what program this is",
            source,
        })?;
        Ok(Self {
            program,
            environment,
            print_pids,
            children: Vec::new(),
            ends: JoinSet::new(),
        })
    }

    /// Additional environment of all children that are started from now on.
    pub(crate) fn set(&mut self, variable: &'static str, value: String) {
        self.environment.push((variable, value));
    }

    /// Starts the master and waits for the address that it prints.
    pub(crate) async fn start_master(&mut self, mut plan: Plan) -> Result<String, ShopError> {
        let name = plan.name.clone();
        plan.stdout = Stdio::piped();
        let mut child = self.spawn(plan)?;
        let stdout = child.stdout.take();
        self.watch(name.clone(), child);
        let told = async {
            // When the master's output ends, the master has ended: its exit status is checked below.
            let mut lines = BufReader::new(stdout?).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(address) = line.strip_prefix(MASTER_LINE) {
                    return Some(address.to_owned());
                }
            }
            None
        };
        match timeout(ADDRESS_DEADLINE, told).await {
            Ok(Some(address)) => Ok(address),
            Ok(None) => match timeout(END_DEADLINE, self.next_end()).await {
                Ok(Some((_, Ok(status)))) => Err(ShopError::EndedEarly { name, status }),
                _ => Err(ShopError::NoAddress {
                    name,
                    after: END_DEADLINE,
                }),
            },
            Err(_) => Err(ShopError::NoAddress {
                name,
                after: ADDRESS_DEADLINE,
            }),
        }
    }

    /// Starts a child.
    pub(crate) fn start(&mut self, plan: Plan) -> Result<(), ShopError> {
        let name = plan.name.clone();
        let child = self.spawn(plan)?;
        self.watch(name, child);
        Ok(())
    }

    /// Waits until the next child has ended, and returns which one. Cancel safe.
    pub(crate) async fn next_end(&mut self) -> Option<(String, io::Result<ExitStatus>)> {
        loop {
            // An error is an aborted task: its child had to be killed, and that is already known.
            let (place, status) = match self.ends.join_next().await? {
                Ok(ended) => ended,
                Err(_) => continue,
            };
            let child = &mut self.children[place];
            child.ended = true;
            return Some((child.name.clone(), status));
        }
    }

    /// Ends the children one kind after the other, in the order of `order`, and waits for each. Kills those that do not
    /// end by themselves, and reports them.
    pub(crate) async fn end(&mut self, order: &[&str]) -> Result<(), ShopError> {
        let mut bad = None;
        for kind in order {
            for child in self.children.iter_mut().filter(|child| child.is(kind)) {
                child.pipe = None;
            }
            let ended = timeout(END_DEADLINE, async {
                while self
                    .children
                    .iter()
                    .any(|child| child.is(kind) && !child.ended)
                {
                    let Some((name, status)) = self.next_end().await else {
                        return;
                    };
                    let how = match status {
                        Ok(status) if status.success() => continue,
                        Ok(status) => status.to_string(),
                        Err(error) => error.to_string(),
                    };
                    bad.get_or_insert(ShopError::BadEnd { name, how });
                }
            });
            if ended.await.is_err() {
                for child in self
                    .children
                    .iter_mut()
                    .filter(|child| child.is(kind) && !child.ended)
                {
                    child.kill.abort();
                    child.ended = true;
                    bad.get_or_insert(ShopError::BadEnd {
                        name: child.name.clone(),
                        how: format!("it was killed after {END_DEADLINE:?}"),
                    });
                }
            }
        }
        bad.map_or(Ok(()), Err)
    }

    fn spawn(&self, plan: Plan) -> Result<Child, ShopError> {
        let mut command = Command::new(&self.program);
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("MESH_") {
                command.env_remove(variable);
            }
        }
        let child = command
            .arg("--exit-with-parent")
            .args(plan.args)
            .envs(
                self.environment
                    .iter()
                    .map(|(variable, value)| (variable, value)),
            )
            .stdin(Stdio::piped())
            .stdout(plan.stdout)
            // Only if this process panics: otherwise it waits for the child to exit.
            .kill_on_drop(true)
            .spawn();
        child.map_err(|source| ShopError::Spawn {
            name: plan.name,
            source,
        })
    }

    fn watch(&mut self, name: String, mut child: Child) {
        if self.print_pids {
            complain(&format!("PID {} {name}", child.id().unwrap_or_default()));
        }
        let place = self.children.len();
        let pipe = child.stdin.take();
        let kill = self.ends.spawn(async move { (place, child.wait().await) });
        self.children.push(Running {
            name,
            pipe,
            kill,
            ended: false,
        });
    }
}

impl Running {
    /// Whether the child is of this kind: `billing-2` is a `billing`.
    fn is(&self, kind: &str) -> bool {
        self.name
            .strip_prefix(kind)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}
