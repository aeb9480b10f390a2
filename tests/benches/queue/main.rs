//! How fast Redis accepts jobs and how fast they are run and started, compared with what the same server does without
//! mesh. What is measured and how: docs/performance.md.

mod factory;
mod figures;
#[path = "../support/options.rs"]
mod options;
mod peer;
#[path = "../support/stats.rs"]
mod stats;

use std::{error::Error, process::ExitCode, time::Duration};

use factory::Factory;
use figures::Figures;
use mesh_tests::RedisServer;
use stats::Latencies;

const HELP: &str = "\
How fast jobs in Redis are accepted, worked off and begun, against redis-benchmark and PING on the same server.

    cargo bench -p mesh-tests --bench queue [-- OPTIONS]

    --quick    3 rounds of 10,000 jobs instead of 7 of 30,000
    --help     says this

Needs redis-server and redis-benchmark (Debian: redis-server, redis-tools).";

type Failure = Box<dyn Error + Send + Sync>;

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    rounds: usize,
    jobs: usize,
    /// Jobs that are started one at a time, in each round.
    singles: usize,
}

fn main() -> ExitCode {
    let quick = match options::quick("queue", HELP) {
        Ok(quick) => quick,
        Err(end) => return end,
    };
    let extent = match quick {
        true => Extent {
            rounds: 3,
            jobs: 10_000,
            singles: 200,
        },
        false => Extent {
            rounds: 7,
            jobs: 30_000,
            singles: 500,
        },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let measured = runtime
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(compare(extent)));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("queue: no result. {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Everything under both fsync settings: the default of Redis, and the one that loses nothing.
async fn compare(extent: Extent) -> Result<(), Failure> {
    let everysec = measure("everysec", extent).await?;
    let always = measure("always", extent).await?;
    println!("\nappendfsync everysec\n{everysec}");
    println!("appendfsync always\n{always}");
    everysec.ratios();
    Ok(())
}

async fn measure(fsync: &str, extent: Extent) -> Result<Figures, Failure> {
    let redis = RedisServer::start_with(&["--appendfsync", fsync]).await;
    let mut figures = Figures::default();
    for round in 1..=extent.rounds {
        eprintln!(
            "queue: appendfsync {fsync}, round {round} of {}",
            extent.rounds
        );
        figures
            .redis_benchmark
            .push(peer::redis_benchmark(redis.addr(), 2 * extent.jobs).await?);
        redis.command(&["FLUSHALL"]).await;
        let (accepted, one) = work(&redis, extent, 1).await?;
        figures.accepted.push(accepted);
        figures.one_node.push(one);
        let (_, two) = work(&redis, extent, 2).await?;
        figures.two_nodes.push(two);
        start(&redis, extent, &mut figures.from_call, &mut figures.ping).await?;
    }
    Ok(figures)
}

/// Jobs accepted per second, from 64 callers, while none is run; and then jobs run per second by `nodes`, while none is
/// accepted.
async fn work(redis: &RedisServer, extent: Extent, nodes: usize) -> Result<(f64, f64), Failure> {
    let factory = Factory::start(&redis.url(), nodes).await?;
    factory.hold().await?;
    let accepted = factory.accept(extent.jobs).await?;
    let worked = factory.work_off(extent.jobs).await?;
    factory.end().await;
    let rate = |span: Duration| extent.jobs as f64 / span.as_secs_f64();
    Ok((rate(accepted), rate(worked)))
}

/// The time from the call of the stub to the start of the handler on an idle system. A PING takes turns with it.
async fn start(
    redis: &RedisServer,
    extent: Extent,
    ours: &mut Latencies,
    ping: &mut Latencies,
) -> Result<(), Failure> {
    let mut factory = Factory::start(&redis.url(), 1).await?;
    let mut pinger = peer::Pinger::new(&redis.url()).await?;
    for _ in 0..extent.singles {
        ours.push(factory.one().await?);
        ping.push(pinger.ping().await?);
    }
    factory.end().await;
    Ok(())
}
