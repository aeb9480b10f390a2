//! What the other processes of this case do: each is one server. It prints its address once calls can be made.

use std::{
    env,
    future::pending,
    io,
    net::SocketAddr,
    process::{self, ExitCode},
    thread,
};

use super::CONTENDERS;
use crate::{Failure, contest::Peer, ours, sides::listen, tarpc, tonic};

/// Precedes the name of the contender on the command line.
pub(crate) const FLAG: &str = "--frozen-server";

/// The contender that this process is a server of; `None` for the bench itself.
pub(crate) fn part() -> Option<String> {
    let mut args = env::args().skip(1);
    (args.next()? == FLAG).then(|| args.next())?
}

/// Runs until the bench ends, whose end closes the standard input.
pub(crate) fn run(part: &str) -> ExitCode {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    match serve_alone(part) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("peers: a server of {part}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn serve_alone(part: &str) -> Result<(), Failure> {
    let peer = CONTENDERS.into_iter().find(|peer| peer.name() == part);
    let peer = peer.ok_or("there is no such contender")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    // In a task, because `block_on` polls its future on the calling thread and not on the worker thread.
    let task = runtime.spawn(serve(peer));
    runtime.block_on(task)?
}

async fn serve(peer: Peer) -> Result<(), Failure> {
    match peer {
        Peer::Ours => {
            let mirror = ours::mirror().await?;
            ready(mirror.addr());
            pending().await
        }
        Peer::Tarpc => {
            let (listener, addr) = listen().await?;
            ready(addr);
            tarpc::serve(listener).await;
            Ok(())
        }
        Peer::Tonic => {
            let (listener, addr) = listen().await?;
            ready(addr);
            tonic::serve(listener).await;
            Ok(())
        }
        _ => Err("does not spread calls over servers".into()),
    }
}

fn ready(addr: SocketAddr) {
    println!("{addr}");
}
