//! One process of a mesh, for tests that kill it: `mesh-node master ADDR`, `mesh-node worker INSTANCE`, or
//! `mesh-node mute INSTANCE` for a worker that never answers `echo`; the rest
//! comes from `MESH_*`. Prints on its standard output where it listens and which calls it holds. Ends when its standard
//! input closes, so that it never outlives its test.

#[path = "../../tests/support/hard.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod hard;

use std::{env, error::Error, future::pending, io, process, thread};

use hard::{Hands, Hard, Worker};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    let mut args = env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (Some("master"), Some(addr)) => {
            let master = Hard::master().bind(addr).without_discovery();
            let master = master.start().await?;
            println!("listening {}", master.addr());
            pending().await
        }
        (Some(role @ ("worker" | "mute")), Some(instance)) => {
            let (mut hands, mut held, _) = Hands::new();
            hands.mute = role == "mute";
            let worker = Worker::node(hands).instance(instance).start().await?;
            println!("listening {}", worker.addr());
            while let Some(name) = held.recv().await {
                println!("holding {name}");
            }
            Ok(())
        }
        _ => Err("usage: mesh-node master ADDR | worker INSTANCE | mute INSTANCE".into()),
    }
}
