//! A process that runs jobs, for tests that kill it: `job-node INSTANCE LEASE_MS ORPHAN_LEASE_MS DEFECT`; the rest
//! comes from `MESH_*`. Prints on its standard output what its jobs do. Shuts down gracefully on SIGTERM, and ends at
//! once when its standard input closes, so that it never outlives its test.
//!
//! `DEFECT` is `none`, `ack-first` or `never-ack`.

#[path = "../../tests/support/factory.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod factory;

use std::{env, error::Error, io, process, sync::Arc, thread, time::Duration};

use factory::{Bench, Hands};
use mesh_runtime::queue::{Queue, RedisQueue};
use mesh_tests::{Defect, Planted};

/// An engine with a defect.
fn planted(redis: RedisQueue, defect: Defect) -> Arc<dyn Queue> {
    Arc::new(Planted::new(Arc::new(redis), defect))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    let args: Vec<String> = env::args().skip(1).collect();
    let [instance, lease, orphan_lease, defect] = &args[..] else {
        return Err("usage: job-node INSTANCE LEASE_MS ORPHAN_LEASE_MS DEFECT".into());
    };
    let redis = RedisQueue::connect(&env::var("MESH_REDIS_URL")?)
        .await?
        .lease_time(Duration::from_millis(lease.parse()?))
        .orphan_lease(Duration::from_millis(orphan_lease.parse()?));
    let bench = Bench::node(Hands {
        say: |line| println!("{line}"),
    });
    let bench = match &**defect {
        "none" => bench.queue(Arc::new(redis)),
        "ack-first" => bench.queue(planted(redis, Defect::AckFirst)),
        "never-ack" => bench.queue(planted(redis, Defect::NeverAck)),
        other => return Err(format!("`{other}` is no defect").into()),
    };
    let bench = bench.instance(&**instance).start().await?;
    println!("listening {}", bench.addr());
    let report = bench.run_until_signal().await?;
    println!("ended {}", report.unfinished_jobs);
    Ok(())
}
