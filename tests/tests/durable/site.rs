//! The setup of these tests: master and callers in this process, workers in processes of their own, a Redis of its own,
//! and the history of all jobs.

use std::{
    collections::HashMap,
    process::Stdio,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use mesh_runtime::{
    Keys, Master, Node,
    queue::{QueueAdmin, QueueName, QueueStats, RedisQueue},
};
use mesh_tests::RedisServer;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    history::{Event, Left, Summary, check},
    support::{
        factory::{Bench, Factory, Office},
        proxy::Proxy,
    },
};

/// Longer than any wait takes.
const NEVER: Duration = Duration::from_secs(90);
/// `#[attempts]` of `work`.
pub(crate) const ATTEMPTS: u32 = 50;

/// The settings of the workers.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) lease: Duration,
    pub(crate) orphan_lease: Duration,
    pub(crate) defect: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(2),
            orphan_lease: Duration::from_secs(3_600),
            defect: "none",
        }
    }
}

/// The events so far, and a channel that signals new ones.
#[derive(Clone)]
pub(crate) struct History {
    events: Arc<Mutex<Vec<Event>>>,
    grown: watch::Sender<()>,
}

impl History {
    fn new() -> Self {
        Self {
            events: Arc::default(),
            grown: watch::Sender::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, event: Event) {
        self.lock().push(event);
        self.grown.send_replace(());
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.lock().iter().filter(|event| wanted(event)).count()
    }

    /// Waits until this many events are of that kind.
    pub(crate) async fn reaches(&self, count: usize, wanted: impl Fn(&Event) -> bool) {
        let mut grown = self.grown.subscribe();
        let reached = async {
            while self.count(&wanted) < count {
                grown.changed().await.expect("the history is there");
            }
        };
        if timeout(NEVER, reached).await.is_err() {
            panic!("{} instead of {count} in {NEVER:?}", self.count(&wanted));
        }
    }

    /// The reasons that refused callers were given.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let events = self.lock();
        let why = |event: &Event| match event {
            Event::Refused { why, .. } => Some(why.clone()),
            _ => None,
        };
        events.iter().filter_map(why).collect()
    }

    /// Waits until this many more jobs have been accepted.
    pub(crate) async fn accepts(&self, more: usize) {
        self.reaches(self.count(accepted) + more, accepted).await;
    }

    /// Waits until this many more jobs are done.
    pub(crate) async fn does(&self, more: usize) {
        self.reaches(self.count(done) + more, done).await;
    }
}

pub(crate) fn accepted(event: &Event) -> bool {
    matches!(event, Event::Accepted { .. })
}

pub(crate) fn refused(event: &Event) -> bool {
    matches!(event, Event::Refused { .. })
}

pub(crate) fn done(event: &Event) -> bool {
    matches!(event, Event::Done { .. })
}

/// A worker in a process of its own. Killed when dropped.
pub(crate) struct WorkerProcess {
    child: Child,
    /// The process ends when this closes.
    _input: ChildStdin,
    said: watch::Receiver<Vec<String>>,
}

impl WorkerProcess {
    /// Waits for a line with this prefix, and returns the rest of the first such line.
    pub(crate) async fn says(&mut self, beginning: &str) -> String {
        let find = |lines: &Vec<String>| {
            lines.iter().find_map(|line| {
                line.strip_prefix(beginning)
                    .map(|rest| rest.trim().to_owned())
            })
        };
        let waited = timeout(NEVER, self.said.wait_for(|lines| find(lines).is_some())).await;
        match waited {
            Ok(Ok(lines)) => find(&lines).expect("it is there"),
            Ok(Err(_)) => panic!("the worker ended and did not say `{beginning}`"),
            Err(_) => panic!("the worker did not say `{beginning}` in {NEVER:?}"),
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        mesh_tests::signal(self.child.id().expect("it runs"), signal);
    }

    /// Kills it, like `kill -9`.
    pub(crate) async fn kill(mut self) {
        self.signal("KILL");
        self.child.wait().await.unwrap();
    }

    /// Sends SIGTERM and waits for its end.
    pub(crate) async fn end(mut self) {
        self.signal("TERM");
        let ended = timeout(NEVER, self.child.wait()).await;
        assert!(ended.expect("it ends in time").unwrap().success());
    }
}

/// The whole setup.
pub(crate) struct Site {
    pub(crate) redis: RedisServer,
    /// Workers reach Redis through it.
    pub(crate) proxy: Proxy,
    pub(crate) history: History,
    pub(crate) office: Node<Office>,
    pub(crate) setup: Setup,
    private: String,
    master: Master,
    numbers: Arc<AtomicU64>,
    /// A connection that bypasses the proxy, for inspecting the queues.
    look: RedisQueue,
    seed: u64,
}

impl Site {
    pub(crate) async fn new(setup: Setup) -> Self {
        let redis = RedisServer::start().await;
        let proxy = Proxy::listen().await;
        proxy.lead_to(redis.addr());
        let private = Keys::generate();
        let keys = Keys::new("Factory", &*private);
        let master = Factory::master()
            .keys(&keys)
            .bind("127.0.0.1:0")
            .without_discovery()
            .start()
            .await
            .unwrap();
        let office = Office::node()
            .keys(&keys)
            .master(master.addr())
            .bind("127.0.0.1:0")
            .start()
            .await
            .unwrap();
        let seed = match std::env::var("MESH_TEST_SEED") {
            Ok(seed) => seed.parse().expect("MESH_TEST_SEED is a number"),
            Err(_) => rand::random(),
        };
        println!("MESH_TEST_SEED={seed}");
        Self {
            look: RedisQueue::connect(&redis.url()).await.unwrap(),
            redis,
            proxy,
            history: History::new(),
            office,
            setup,
            private,
            master,
            numbers: Arc::default(),
            seed,
        }
    }

    /// Everything random in a test depends on this seed alone.
    pub(crate) fn chance(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }

    pub(crate) async fn worker(&self, instance: &str) -> WorkerProcess {
        let setup = self.setup;
        let mut command = Command::new(env!("CARGO_BIN_EXE_job-node"));
        command
            .arg(instance)
            .arg(setup.lease.as_millis().to_string())
            .arg(setup.orphan_lease.as_millis().to_string())
            .arg(setup.defect)
            .env("RUST_BACKTRACE", "0")
            .env("MESH_PUBLIC_KEY", "Factory")
            .env("MESH_PRIVATE_KEY", &self.private)
            .env("MESH_BIND", "127.0.0.1:0")
            .env("MESH_MASTER", self.master.addr().to_string())
            .env("MESH_REDIS_URL", format!("redis://{}", self.proxy.addr()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let output = child.stdout.take().expect("it is piped");
        let input = child.stdin.take().expect("it is piped");
        let (say, said) = watch::channel(Vec::new());
        let history = self.history.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match event(&line) {
                    Some(event) => history.push(event),
                    None => say.send_modify(|said| said.push(line)),
                }
            }
        });
        let mut worker = WorkerProcess {
            child,
            _input: input,
            said,
        };
        worker.says("listening").await;
        worker
    }

    pub(crate) async fn workers<const N: usize>(&self, names: [&str; N]) -> Vec<WorkerProcess> {
        let mut workers = Vec::new();
        for name in names {
            workers.push(self.worker(name).await);
        }
        self.office.ready::<Bench>(N).timeout(NEVER).await.unwrap();
        workers
    }

    /// A unique number for a job.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Queues one job.
    pub(crate) async fn send(&self, millis: u32) {
        send(&self.office, &self.history, &self.numbers, millis).await;
    }

    /// Callers that queue jobs one after the other, until they are stopped.
    pub(crate) fn load(&self, callers: usize) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let mut chance = self.chance();
        let callers = (0..callers).map(|_| {
            let mut chance = StdRng::seed_from_u64(chance.random());
            let (office, history) = (self.office.clone(), self.history.clone());
            let (numbers, stop) = (Arc::clone(&self.numbers), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let millis = chance.random_range(0..40);
                    send(&office, &history, &numbers, millis).await;
                }
            })
        });
        Load {
            callers: callers.collect(),
            stop,
        }
    }

    pub(crate) fn queue(&self, command: &str) -> QueueName {
        QueueName::new("Factory", "Bench", command)
    }

    /// Retries, because the inspection connection may have been cut with all others, and that shows only when it is
    /// used.
    pub(crate) async fn stats(&self, queue: &QueueName) -> QueueStats {
        let give_up = Instant::now() + NEVER;
        loop {
            match self.look.stats(queue).await {
                Ok(stats) => return stats,
                Err(error) => assert!(Instant::now() < give_up, "{queue}: {error}"),
            }
        }
    }

    /// Waits until the queue is in such a state.
    pub(crate) async fn until(&self, queue: &QueueName, like: impl Fn(&QueueStats) -> bool) {
        let give_up = Instant::now() + NEVER;
        loop {
            let stats = self.stats(queue).await;
            if like(&stats) {
                return;
            }
            assert!(Instant::now() < give_up, "{queue}: {stats:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn left(&self, queue: &QueueName) -> Left {
        let stats = self.stats(queue).await;
        let dead = self.look.dead_letters(queue, usize::MAX).await.unwrap();
        Left {
            dead: dead
                .into_iter()
                .map(|letter| (letter.job_id.to_string(), letter.attempts))
                .collect(),
            waiting: stats.waiting + stats.running + stats.delayed,
        }
    }

    /// Lets the workers finish, and checks the history.
    pub(crate) async fn verdict(&self) -> Result<Summary, Vec<crate::history::Violation>> {
        let queue = self.queue("work");
        self.until(&queue, |stats| {
            stats.waiting + stats.running + stats.delayed == 0
        })
        .await;
        let left = self.left(&queue).await;
        // The last lines of the workers are still in transit.
        let seen = || {
            let history = self.history.lock();
            check(&history, &left, ATTEMPTS)
        };
        let mut grown = self.history.grown.subscribe();
        let mut verdict = seen();
        while verdict.is_err() {
            if timeout(Duration::from_secs(2), grown.changed())
                .await
                .is_err()
            {
                break;
            }
            verdict = seen();
        }
        if let Ok(summary) = &verdict {
            println!("{summary}");
        }
        verdict
    }
}

/// Running callers.
pub(crate) struct Load {
    callers: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Stops them and waits for the calls that they have begun.
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.await.unwrap();
        }
    }
}

async fn send(office: &Node<Office>, history: &History, numbers: &AtomicU64, millis: u32) {
    let number = numbers.fetch_add(1, Ordering::Relaxed);
    let client = office.client::<Bench>();
    history.push(match client.work(number, millis).await {
        Ok(queued) => Event::Accepted {
            job: queued.job_id.to_string(),
            number,
        },
        Err(error) => {
            // At times there is no instance to call.
            tokio::time::sleep(Duration::from_millis(20)).await;
            Event::Refused {
                number,
                why: error.to_string(),
            }
        }
    });
}

/// Parses a worker's line about a job.
fn event(line: &str) -> Option<Event> {
    let words: Vec<&str> = line.split(' ').collect();
    let [what, job, attempt, number] = words[..] else {
        return None;
    };
    let (job, attempt, number) = (job.to_owned(), attempt.parse().ok()?, number.parse().ok()?);
    match what {
        "start" => Some(Event::Started {
            job,
            attempt,
            number,
        }),
        "done" => Some(Event::Done {
            job,
            attempt,
            number,
        }),
        _ => None,
    }
}

/// Picks a random worker.
pub(crate) fn any(chance: &mut StdRng, workers: &HashMap<String, WorkerProcess>) -> String {
    let mut names: Vec<_> = workers.keys().cloned().collect();
    names.sort();
    names.swap_remove(chance.random_range(0..names.len()))
}
