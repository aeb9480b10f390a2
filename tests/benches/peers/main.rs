//! The speed of calls, compared with what people would use instead. What is measured and how: docs/performance.md.

mod cipher;
mod contest;
mod frozen;
mod load;
mod nats;
#[path = "../support/options.rs"]
mod options;
mod ours;
mod payload;
#[path = "../support/processor.rs"]
mod processor;
mod raw;
mod results;
mod sides;
#[path = "../support/stats.rs"]
mod stats;
mod tarpc;
mod tonic;

use std::{error::Error, process::ExitCode, time::Duration};

use contest::{Contest, Load, Peer};
use results::Results;
use sides::Sides;

const HELP: &str = "\
How fast calls are, against raw TCP and WebSocket, tarpc, tonic and NATS.

    cargo bench -p mesh-tests --bench peers [-- OPTIONS]

    --quick    64 bytes, orders and lists only, 5 rounds of 0.25 s instead of 7 of 0.5 s;
               a server is frozen once for 3 s instead of 3 times for 10 s
    --help     says this

One process with one worker thread for all clients and one for all servers; NATS has its server besides, and servers
that can be frozen are processes of their own. Compares with NATS only where nats-server is installed (Debian:
nats-server). Needs Linux (it reads /proc) and kill (Debian: procps).";

type Failure = Box<dyn Error + Send + Sync>;

/// How much is measured.
struct Extent {
    rounds: usize,
    span: Duration,
    loads: Vec<Load>,
    frozen: frozen::Extent,
}

impl Extent {
    fn new(quick: bool) -> Self {
        let payloads: &[usize] = match quick {
            true => &[64],
            false => &[64, 1024, 64 * 1024, 1024 * 1024],
        };
        let mut loads = Vec::new();
        for bytes in payloads {
            loads.extend([1, 64, 256].map(|inflight| Load::Closed {
                bytes: *bytes,
                inflight,
            }));
        }
        loads.push(Load::Open {
            bytes: 64,
            rate: 20_000,
        });
        loads.push(Load::Beside { large: 1 });
        loads.push(Load::Beside { large: 4 });
        loads.push(Load::Order { inflight: 64 });
        loads.extend([1, 64].map(|inflight| Load::List { inflight }));
        Self {
            rounds: if quick { 5 } else { 7 },
            span: Duration::from_millis(if quick { 250 } else { 500 }),
            loads,
            frozen: frozen::Extent::new(quick),
        }
    }
}

fn main() -> ExitCode {
    // The servers that can be frozen are this program too: see `frozen`.
    if let Some(part) = frozen::child::part() {
        return frozen::child::run(&part);
    }
    let quick = match options::quick("peers", HELP) {
        Ok(quick) => quick,
        Err(end) => return end,
    };
    match compare(&Extent::new(quick)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("peers: no result. {failure}");
            ExitCode::FAILURE
        }
    }
}

fn compare(extent: &Extent) -> Result<(), Failure> {
    let sides = Sides::new()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let results = runtime.block_on(measure(&sides, extent))?;
    results.tables();
    results.ratios();
    let frozen = runtime.block_on(frozen::measure(&sides, &extent.frozen))?;
    frozen.table();
    frozen.ratios();
    Ok(())
}

/// All contenders take turns in each round of each load.
async fn measure(sides: &Sides, extent: &Extent) -> Result<Results, Failure> {
    let contest = Contest::start(sides).await?;
    let peers = contest.peers();
    if !peers.contains(&Peer::Nats) {
        eprintln!("peers: without NATS: there is no nats-server");
    }
    let mut results = Results::default();
    for (number, load) in extent.loads.iter().enumerate() {
        eprintln!("peers: {load:?}, {} of {}", number + 1, extent.loads.len());
        // The first round warms up and does not count.
        for round in 0..=extent.rounds {
            for peer in peers.iter().filter(|peer| load.suits(**peer)) {
                let measured = contest.round(*peer, *load, extent.span).await;
                let measured =
                    measured.map_err(|failure| format!("{}, {load:?}: {failure}", peer.name()))?;
                if round > 0 {
                    results.add(*load, *peer, &measured);
                }
            }
        }
    }
    Ok(results)
}
