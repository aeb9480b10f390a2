//! What the other processes of the bench do. Each executes the commands that it reads as lines from its standard input,
//! and then prints `done` and some numbers.

use std::{env, future::pending, io, process, process::ExitCode, thread, time::Duration};

use futures_util::future::{join_all, try_join_all};
use mesh_runtime::{Heartbeat, Node};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

use crate::{
    Failure,
    mesh::{Echo, Hub, Scale, Worker},
    usage,
};

/// Precedes the name of the role on the command line.
pub(crate) const FLAG: &str = "--child";
/// The master, alone. Prints its port and how many files it may have open.
pub(crate) const MASTER: &str = "master";
/// Nodes, as many of either kind as it is told to start.
pub(crate) const CREW: &str = "crew";
/// The beginning of a reply.
pub(crate) const DONE: &str = "done";

/// Longer than anything takes.
const NEVER: Duration = Duration::from_secs(100);
/// The polling interval while waiting for links to close.
const GLANCE: Duration = Duration::from_millis(2);
/// Interval and silence limit of a heartbeat that does not disturb a measurement.
const RARE: Heartbeat = Heartbeat::every(Duration::from_secs(600));

/// The role of this process; `None` for the bench itself.
pub(crate) fn part() -> Option<String> {
    let mut args = env::args().skip(1);
    (args.next()? == FLAG).then(|| args.next())?
}

/// Runs in that role until the bench ends.
pub(crate) fn run(part: &str) -> ExitCode {
    let rare = env::args().nth(3).is_some_and(|pace| pace == "rare");
    let (told, lines) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            let _ = told.send(line);
        }
        process::exit(0);
    });
    if env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::from_default_env())
            .with_writer(io::stderr)
            .init();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let played = runtime.map_err(Failure::from).and_then(|runtime| {
        // In a task, because `block_on` polls its future on the calling thread and not on the worker thread.
        let task = match part {
            MASTER => runtime.spawn(master(rare)),
            _ => runtime.spawn(Crew::default().work(lines, rare)),
        };
        runtime.block_on(task)?
    });
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn master(rare: bool) -> Result<(), Failure> {
    let mut master = Scale::master().without_discovery();
    if rare {
        master = master.heartbeat(RARE);
    }
    let master = master.start().await?;
    println!("{DONE} {} {}", master.addr().port(), usage::open_files()?);
    pending().await
}

/// The nodes of one process.
#[derive(Default)]
struct Crew {
    hubs: Vec<Node<Hub>>,
    workers: Vec<Node<Worker>>,
}

impl Crew {
    async fn work(
        mut self,
        mut lines: mpsc::UnboundedReceiver<String>,
        rare: bool,
    ) -> Result<(), Failure> {
        println!("{DONE}");
        while let Some(line) = lines.recv().await {
            let words: Vec<_> = line.split_whitespace().collect();
            let number = |at: usize| -> Result<usize, Failure> {
                let word = words.get(at).ok_or("too few numbers")?;
                Ok(word.parse()?)
            };
            match words.first() {
                Some(&"start") => self.start(number(1)?, number(2)?, rare).await?,
                Some(&"stop") => self.stop(number(1)?, number(2)?).await,
                Some(&"parted") => self.parted(number(1)?).await,
                Some(&"linked") => {}
                _ => return Err(format!("a process was told `{line}`").into()),
            }
            if let Some(hubs) = words.iter().position(|word| *word == "linked") {
                self.linked(number(hubs + 1)?).await?;
            }
            let ports = self.hubs.iter().map(|hub| hub.addr().port().to_string());
            println!("{DONE} {}", ports.collect::<Vec<_>>().join(" "));
        }
        Ok(())
    }

    /// Starts this many, all at once. Returns when all are registered.
    async fn start(&mut self, hubs: usize, workers: usize, rare: bool) -> Result<(), Failure> {
        let hubs = (0..hubs).map(|_| {
            let mut hub = Hub::node(Echo);
            if rare {
                hub = hub.heartbeat(RARE);
            }
            hub.start()
        });
        let workers = (0..workers).map(|_| {
            let mut worker = Worker::node();
            if rare {
                worker = worker.heartbeat(RARE);
            }
            worker.start()
        });
        let (hubs, workers) = tokio::try_join!(try_join_all(hubs), try_join_all(workers))?;
        join_all(hubs.iter().map(Node::registered)).await;
        join_all(workers.iter().map(Node::registered)).await;
        self.hubs.extend(hubs);
        self.workers.extend(workers);
        Ok(())
    }

    /// Waits until every worker here is linked to this many hubs.
    async fn linked(&self, hubs: usize) -> Result<(), Failure> {
        let linked = self.workers.iter();
        let linked = linked.map(|worker| worker.ready::<Hub>(hubs).timeout(NEVER).into_future());
        try_join_all(linked).await?;
        Ok(())
    }

    /// Waits until no worker here has more than `links` links.
    async fn parted(&self, links: usize) {
        for worker in &self.workers {
            while worker.links().len() > links {
                tokio::time::sleep(GLANCE).await;
            }
        }
    }

    /// Shuts down this many, the last first, one after the other.
    async fn stop(&mut self, hubs: usize, workers: usize) {
        for _ in 0..hubs {
            if let Some(hub) = self.hubs.pop() {
                hub.shutdown().await;
            }
        }
        for _ in 0..workers {
            if let Some(worker) = self.workers.pop() {
                worker.shutdown().await;
            }
        }
    }
}
