//! One of three servers freezes for some seconds, like a process that is swapped out or a virtual machine that is
//! paused: how many calls are answered meanwhile, and how many fail. Each server is a process of its own, and all
//! callers are in this one.

mod callers;
pub(crate) mod child;
mod ours;
mod process;
mod results;
mod tarpc;
mod tonic;

use std::time::Duration;

use self::{
    callers::{Callers, Phase},
    process::Servers,
    results::Results,
};
use crate::{Failure, contest::Peer, load::Echo, sides::Sides};

/// Those that spread their calls over several servers.
const CONTENDERS: [Peer; 3] = [Peer::Ours, Peer::Tarpc, Peer::Tonic];
/// One of them freezes.
const SERVERS: usize = 3;
/// Each has one call at a time.
const CALLERS: usize = 64;
const BYTES: usize = 64;
/// How long a call may take.
const LIMIT: Duration = Duration::from_secs(1);
/// Not counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long calls are counted before the freeze, and after it.
const HEALTHY: Duration = Duration::from_secs(2);

/// How much is measured.
pub(crate) struct Extent {
    rounds: usize,
    freeze: Duration,
}

impl Extent {
    pub(crate) fn new(quick: bool) -> Self {
        Self {
            rounds: if quick { 1 } else { 3 },
            freeze: Duration::from_secs(if quick { 3 } else { 10 }),
        }
    }
}

/// The result of one round.
struct Round {
    before: Phase,
    frozen: Phase,
    after: Phase,
    first_failure: Option<String>,
}

/// All contenders take turns in each round, and each round begins with another one.
pub(crate) async fn measure(sides: &Sides, extent: &Extent) -> Result<Results, Failure> {
    let mut results = Results::new(extent.freeze);
    for number in 0..extent.rounds {
        eprintln!(
            "peers: one of {SERVERS} servers freezes for {} s, round {} of {}",
            extent.freeze.as_secs(),
            number + 1,
            extent.rounds
        );
        for turn in 0..CONTENDERS.len() {
            let peer = CONTENDERS[(number + turn) % CONTENDERS.len()];
            let measured = round(sides, peer, extent.freeze).await;
            let measured = measured
                .map_err(|failure| format!("{}, a frozen server: {failure}", peer.name()))?;
            if let Some(failure) = &measured.first_failure {
                eprintln!("peers: {}: the first failed call: {failure}", peer.name());
            }
            results.add(peer, &measured);
        }
    }
    Ok(results)
}

/// One round, with new servers and new connections.
async fn round(sides: &Sides, peer: Peer, freeze: Duration) -> Result<Round, Failure> {
    match peer {
        Peer::Ours => {
            let mesh = ours::Mesh::start(sides).await?;
            let servers = Servers::start(peer, &mesh.env())?;
            let caller = mesh.caller(sides).await?;
            phases(sides, ours::calls(&caller), &servers, freeze).await
        }
        Peer::Tarpc => {
            let servers = Servers::start(peer, &[])?;
            let calls = tarpc::connect_all(sides, servers.addrs()).await?;
            phases(sides, calls, &servers, freeze).await
        }
        Peer::Tonic => {
            let servers = Servers::start(peer, &[])?;
            let calls = tonic::balanced(sides, servers.addrs()).await?;
            phases(sides, calls, &servers, freeze).await
        }
        _ => Err("does not spread calls over servers".into()),
    }
}

/// The callers go on all the time.
async fn phases<E: Echo>(
    sides: &Sides,
    echo: E,
    servers: &Servers,
    freeze: Duration,
) -> Result<Round, Failure> {
    let callers = sides.on_client(async move { Ok(Callers::start(&echo)) });
    let mut callers = callers.await?;
    callers.phase(WARM_UP).await?;
    let before = callers.phase(HEALTHY).await?;
    servers.freeze_one()?;
    let frozen = callers.phase(freeze).await?;
    servers.thaw()?;
    let after = callers.phase(HEALTHY).await?;
    let first_failure = callers.end().await?;
    if before.per_s == 0.0 {
        let why = first_failure.unwrap_or_default();
        return Err(format!("no call was answered before the freeze: {why}").into());
    }
    Ok(Round {
        before,
        frozen,
        after,
        first_failure,
    })
}
