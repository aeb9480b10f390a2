//! How long a large schema takes to compile, compared with the same methods as `tarpc` services: 20 node types of 10
//! commands each, every handler implemented, every method called once. What is timed and why: docs/performance.md.

#[path = "../support/options.rs"]
mod options;
mod project;
mod sources;

use std::{path::Path, process::ExitCode, time::Duration};

use project::{Failure, Incremental, Project};
use sources::Crate;

const HELP: &str = "\
How long 200 commands take to compile, against the same methods as 20 tarpc services.

    cargo bench -p mesh-tests --bench compile [-- OPTIONS]

    --quick    3 rounds instead of 7, and of each extra measurement 1 instead of 3
    --help     says this

Needs the crates of Cargo.lock (`cargo fetch --locked` downloads them) and a C linker.";

fn main() -> ExitCode {
    let quick = match options::quick("compile", HELP) {
        Ok(quick) => quick,
        Err(end) => return end,
    };
    match compare(Rounds::new(quick)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("compile: no result. {failure}");
            ExitCode::FAILURE
        }
    }
}

/// How many times each measurement is repeated.
struct Rounds {
    build: usize,
    extra: usize,
}

impl Rounds {
    fn new(quick: bool) -> Self {
        match quick {
            true => Self { build: 3, extra: 1 },
            false => Self { build: 7, extra: 3 },
        }
    }
}

/// One kind of measurement, of both crates.
#[derive(Default)]
struct Times {
    ours: Vec<Duration>,
    theirs: Vec<Duration>,
}

impl Times {
    /// Alternates the two, so that other load on the machine affects both equally.
    fn measure(
        rounds: usize,
        mut ours: impl FnMut(usize) -> Result<Duration, Failure>,
        mut theirs: impl FnMut(usize) -> Result<Duration, Failure>,
    ) -> Result<Self, Failure> {
        let mut times = Self::default();
        for round in 1..=rounds {
            times.ours.push(ours(round)?);
            times.theirs.push(theirs(round)?);
        }
        Ok(times)
    }

    fn medians(&self) -> (f64, f64) {
        (median(&self.ours), median(&self.theirs))
    }

    fn print(&self, what: &str) {
        let (ours, theirs) = self.medians();
        println!(
            "{what:<36} {ours:>8.2} s {theirs:>8.2} s {:>7.2}   {} to {}",
            ours / theirs,
            seconds(self.ours.iter().min()),
            seconds(self.ours.iter().max()),
        );
    }
}

fn compare(rounds: Rounds) -> Result<(), Failure> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("the package has no workspace above it")?;
    let ours = sources::mesh(&checkout.join("mesh-runtime").display().to_string());
    let theirs = sources::tarpc();
    let project = Project::create(&[&ours, &theirs], checkout)?;
    println!("compile: builds what both crates depend on, and runs each once");
    project.prepare(&ours)?;
    project.prepare(&theirs)?;

    println!("compile: {} rounds, in alternation", rounds.build);
    let time = |verb: &'static str, one: &Crate| project.time(verb, one, Incremental::Off);
    let build = Times::measure(
        rounds.build,
        |_| time("build", &ours),
        |_| time("build", &theirs),
    )?;
    let check = Times::measure(
        rounds.extra,
        |_| time("check", &ours),
        |_| time("check", &theirs),
    )?;
    let lines = (
        project.expanded_lines(&ours),
        project.expanded_lines(&theirs),
    );
    // Last, because it rebuilds this workspace's own crates.
    for one in [&ours, &theirs] {
        project.time("build", one, Incremental::On)?;
    }
    let change = Times::measure(
        rounds.extra,
        |round| project.time_after_a_change(&ours, round),
        |round| project.time_after_a_change(&theirs, round),
    )?;

    println!(
        "\n{:<36} {:>10} {:>10} {:>7}   ours, least to most",
        "medians", "ours", "tarpc", "ratio"
    );
    build.print("cargo build, not incremental");
    check.print("cargo check, not incremental");
    change.print("cargo build, after one changed line");
    match lines {
        (Ok(ours), Ok(theirs)) => {
            let (ours, theirs) = (per_command(ours), per_command(theirs));
            println!(
                "{:<36} {ours:>10.1} {theirs:>10.1} {:>7.2}",
                "lines expanded per command",
                ours / theirs
            );
        }
        (Err(failure), _) | (_, Err(failure)) => {
            println!("lines expanded per command: not counted. {failure}");
        }
    }
    let (ours, theirs) = build.medians();
    println!(
        "RATIO case=compile peer=tarpc ours={ours:.2} theirs={theirs:.2} ratio={:.2}",
        ours / theirs
    );
    Ok(())
}

fn per_command(lines: usize) -> f64 {
    lines as f64 / sources::COMMANDS as f64
}

fn median(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        0 => (sorted[middle - 1] + sorted[middle]) / 2,
        _ => sorted[middle],
    };
    median.as_secs_f64()
}

fn seconds(time: Option<&Duration>) -> String {
    format!("{:.2} s", time.copied().unwrap_or_default().as_secs_f64())
}
