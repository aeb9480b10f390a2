//! The cost of a mesh as it grows: gathers over many instances, many nodes that register at once, joins and leaves in a
//! mesh that is already large, and idle links. What is measured and how: docs/performance.md.

mod child;
mod fit;
mod gather;
mod idle;
mod joins;
mod mesh;
#[path = "../support/options.rs"]
mod options;
mod process;
#[path = "../support/processor.rs"]
mod processor;
mod register;
#[path = "../support/stats.rs"]
#[allow(dead_code, reason = "other benches use the rest")]
mod stats;
mod traffic;
mod usage;

use std::{error::Error, process::ExitCode};

const HELP: &str = "\
What a mesh costs as it grows: gathers, registrations, joins, leaves and idle links, over real sockets and processes.

    cargo bench -p mesh-tests --bench scale [-- OPTIONS]

    --quick    200 nodes instead of 1,000, fewer rounds
    --help     says this

Needs Linux (it reads /proc), sh, ss (Debian: iproute2) and room for some thousand open files in each process.";

type Failure = Box<dyn Error + Send + Sync>;

/// How much is measured.
struct Extent {
    gathers: gather::Extent,
    register: register::Extent,
    joins: joins::Extent,
    /// Idle links.
    links: usize,
}

const FULL: Extent = Extent {
    gathers: gather::Extent {
        instances: &[1, 10, 50, 100],
        rounds: 7,
        replies: 20_000,
    },
    register: register::Extent {
        few: 200,
        many: 1_000,
        rounds: 3,
    },
    joins: joins::Extent {
        workers: &[50, 100, 200, 400, 800],
        times: 9,
    },
    links: 500,
};

const QUICK: Extent = Extent {
    gathers: gather::Extent {
        instances: &[1, 10, 50, 100],
        rounds: 3,
        replies: 6_000,
    },
    register: register::Extent {
        few: 50,
        many: 200,
        rounds: 1,
    },
    joins: joins::Extent {
        workers: &[50, 100, 200],
        times: 5,
    },
    links: 200,
};

fn main() -> ExitCode {
    // The other processes of the bench are this program too: see `process`.
    if let Some(part) = child::part() {
        return child::run(&part);
    }
    let extent = match options::quick("scale", HELP) {
        Ok(true) => QUICK,
        Ok(false) => FULL,
        Err(end) => return end,
    };
    match measure(&extent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("scale: no result. {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(extent: &Extent) -> Result<(), Failure> {
    let gathers = gather::measure(&extent.gathers)?;
    let registered = register::measure(&extent.register)?;
    let joins = joins::measure(&extent.joins)?;
    let idle = idle::measure(extent.links)?;
    println!("\n{gathers}\n{registered}\n{joins}\n{idle}");
    gathers.ratios();
    registered.ratios();
    joins.ratios();
    idle.ratios();
    Ok(())
}
