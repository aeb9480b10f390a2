//! The cost of one reply of a gather, compared with a balanced call over the same instances at the same load.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::{join_all, try_join_all};
use mesh_runtime::{Node, testing::TestMesh};
use tokio::runtime::Runtime;

use crate::{
    Failure,
    mesh::{Echo, Hub, Scale, Worker},
    stats::{median, ratio},
};

/// Bytes that are echoed.
const PAYLOAD: usize = 64;

/// How much is measured.
pub(crate) struct Extent {
    pub(crate) instances: &'static [usize],
    pub(crate) rounds: usize,
    /// Replies in each round, of either kind.
    pub(crate) replies: usize,
}

/// Microseconds per reply, one value per round.
#[derive(Default)]
struct Figures {
    gather: Vec<f64>,
    balanced: Vec<f64>,
}

/// By number of instances.
pub(crate) struct Gathers(Vec<(usize, Figures)>);

/// Measures with one thread for the caller and one for all instances.
pub(crate) fn measure(extent: &Extent) -> Result<Gathers, Failure> {
    let (caller, callees) = (one_thread()?, one_thread()?);
    let mut gathers = Vec::new();
    for &instances in extent.instances {
        eprintln!("scale: gather over {instances}, {} rounds", extent.rounds);
        // In tasks, because `block_on` polls its future on the calling thread and not on the worker thread.
        let (mesh, hubs) = callees.block_on(callees.spawn(start(instances)))??;
        let worker = caller.block_on(mesh.start_node(Worker::node()))?;
        let rounds = rounds(worker, instances, extent.rounds, extent.replies);
        gathers.push((instances, caller.block_on(caller.spawn(rounds))??));
        callees.block_on(join_all(hubs.iter().map(Node::shutdown)));
    }
    Ok(Gathers(gathers))
}

fn one_thread() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?)
}

async fn start(instances: usize) -> Result<(TestMesh<Scale>, Vec<Node<Hub>>), Failure> {
    let mesh = TestMesh::start().await?;
    let hubs = (0..instances).map(|_| mesh.start_node(Hub::node(Echo)));
    let hubs = try_join_all(hubs).await?;
    Ok((mesh, hubs))
}

/// The two take turns. A first round of both is not counted.
async fn rounds(
    worker: Node<Worker>,
    instances: usize,
    rounds: usize,
    replies: usize,
) -> Result<Figures, Failure> {
    worker.ready::<Hub>(instances).await?;
    let each = replies / instances;
    let per_reply = |span: Duration| span.as_secs_f64() * 1e6 / (each * instances) as f64;
    let mut figures = Figures::default();
    for round in 0..=rounds {
        let gather = per_reply(gather(&worker, instances, each).await?);
        let balanced = per_reply(balanced(&worker, instances, each * instances).await?);
        if round > 0 {
            figures.gather.push(gather);
            figures.balanced.push(balanced);
        }
    }
    worker.shutdown().await;
    Ok(figures)
}

/// This many gathers, one at a time.
async fn gather(
    worker: &Node<Worker>,
    instances: usize,
    gathers: usize,
) -> Result<Duration, Failure> {
    let client = worker.client::<Hub>();
    let begun = Instant::now();
    for _ in 0..gathers {
        let answers = client.echo_all(vec![7; PAYLOAD]).await?.require_all()?;
        if answers.len() != instances {
            return Err(format!("{} of {instances} instances answered", answers.len()).into());
        }
    }
    Ok(begun.elapsed())
}

/// This many balanced calls, by as many callers as there are instances. Each caller makes one call at a time.
async fn balanced(
    worker: &Node<Worker>,
    callers: usize,
    calls: usize,
) -> Result<Duration, Failure> {
    let left = Arc::new(AtomicUsize::new(calls));
    let begun = Instant::now();
    let callers = (0..callers).map(|_| {
        let (client, left) = (worker.client::<Hub>(), Arc::clone(&left));
        tokio::spawn(async move {
            let take = |left: usize| left.checked_sub(1);
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
            {
                client.echo(vec![7; PAYLOAD]).await?;
            }
            Ok::<_, mesh_runtime::CallError>(())
        })
    });
    for caller in join_all(callers).await {
        caller??;
    }
    Ok(begun.elapsed())
}

impl Gathers {
    pub(crate) fn ratios(&self) {
        for (instances, figures) in &self.0 {
            ratio(
                "gather",
                &[
                    ("instances", &instances.to_string()),
                    ("metric", "us_per_reply"),
                ],
                "balanced",
                median(&figures.gather),
                median(&figures.balanced),
            );
        }
    }
}

impl fmt::Display for Gathers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "One reply, microseconds (median, least to most)")?;
        let range = |rounds: &[f64]| {
            let least = rounds.iter().copied().fold(f64::MAX, f64::min);
            let most = rounds.iter().copied().fold(0.0, f64::max);
            format!("{:>7.1} ({least:.1} to {most:.1})", median(rounds))
        };
        for (instances, figures) in &self.0 {
            writeln!(
                f,
                "  {instances:>4} instances   gather {:<24} balanced {}",
                range(&figures.gather),
                range(&figures.balanced)
            )?;
        }
        Ok(())
    }
}
