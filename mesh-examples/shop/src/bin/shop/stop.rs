//! Why a process should end before its work is done: Ctrl-C, SIGTERM, the end of its parent (detected by a pipe that
//! closes), or a deadline.

use std::{
    fmt,
    future::pending,
    io::{self, Read},
    process,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{error::ShopError, output::complain};

/// A process that has lost its parent and does not end by itself within this time is ended. Longer than any grace
/// period.
const LAST_RESORT: Duration = Duration::from_secs(20);

/// Why a process should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// SIGINT.
    CtrlC,
    /// SIGTERM.
    Terminated,
    /// The parent is gone, or has closed the pipe.
    ParentGone,
    /// The deadline has passed.
    OutOfTime,
}

impl Why {
    /// The exit code of a process that was stopped during its work. A parent knows why its children end.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::CtrlC => 130,
            Self::Terminated => 143,
            Self::ParentGone => 0,
            Self::OutOfTime => 1,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CtrlC => "stopped by Ctrl-C",
            Self::Terminated => "stopped by SIGTERM",
            Self::ParentGone => "stopped with its parent process",
            Self::OutOfTime => "the time is up (see --within)",
        })
    }
}

/// Reports when this process should end.
#[derive(Debug)]
pub(crate) struct Stop {
    asked: watch::Receiver<Option<Why>>,
    deadline: Option<Instant>,
}

impl Stop {
    /// Listens from now on. With a parent, its pipe counts and Ctrl-C does not: a terminal sends Ctrl-C to parent and
    /// children alike, and the parent ends its children in the right order.
    pub(crate) fn watch(with_parent: bool) -> Result<Self, ShopError> {
        let (ask, asked) = watch::channel(None);
        let mut signals = Signals::new().map_err(|source| ShopError::Io {
            what: "cannot listen for signals",
            source,
        })?;
        if with_parent {
            watch_parent(ask.clone());
        }
        tokio::spawn(async move {
            loop {
                let why = signals.next().await;
                if with_parent && why == Why::CtrlC {
                    continue;
                }
                // A second request means: end at once. The children of this process see their pipes close.
                if ask.borrow().is_some() {
                    process::exit(i32::from(why.exit_code()));
                }
                ask.send_replace(Some(why));
            }
        });
        Ok(Self {
            asked,
            deadline: None,
        })
    }

    /// The same, with a deadline this far from now.
    pub(crate) fn within(mut self, time: Duration) -> Self {
        self.deadline = Some(Instant::now() + time);
        self
    }

    /// Waits until this process should end. Cancel safe.
    pub(crate) async fn asked(&mut self) -> Why {
        let time_up = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::select! {
            // The task of `watch` keeps the sender for as long as the runtime runs.
            asked = self.asked.wait_for(Option::is_some) => {
                asked.ok().and_then(|why| *why).unwrap_or(Why::Terminated)
            }
            () = time_up => Why::OutOfTime,
        }
    }
}

/// Reads standard input until its end. It runs on a thread of its own, because a read of standard input cannot be
/// cancelled: on a thread of the runtime it would keep the process from ending.
fn watch_parent(ask: watch::Sender<Option<Why>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
                _ => {}
            }
        }
        ask.send_if_modified(|asked| {
            asked
                .is_none()
                .then(|| *asked = Some(Why::ParentGone))
                .is_some()
        });
        std::thread::sleep(LAST_RESORT);
        complain("shop: the parent process is gone and this one does not end: gives up");
        process::exit(1);
    });
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Why {
        tokio::select! {
            _ = self.interrupt.recv() => Why::CtrlC,
            _ = self.terminate.recv() => Why::Terminated,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Why {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Why::CtrlC,
            Err(_) => pending().await,
        }
    }
}
