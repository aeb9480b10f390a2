//! How many instructions the steps of a call take, counted by callgrind, which detects small changes that a clock does
//! not. `scripts/instructions.sh` compares the counts with `counts.txt`; what they mean: docs/performance.md.
//!
//! The preparation of a step, such as making the envelope that is then sealed, is in `setup` functions and not counted.

mod balance;
mod sample;
mod serve;
mod wire;

use std::process::{Command, ExitCode, Stdio};

use balance::pick;
use serve::dispatch;
use wire::{codec, envelope};

const HELP: &str = "\
How many instructions encoding, sealing, opening, decoding, dispatching and choosing an instance take.

    scripts/instructions.sh                         # installs what counts, and compares with counts.txt
    cargo bench -p mesh-tests --bench instructions  # only counts [-- OPTIONS of gungraun-runner]

Needs valgrind (Debian: valgrind) and gungraun-runner, in the version that Cargo.lock has.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| args.iter().any(|arg| arg == name);
    // Callgrind runs this program with this flag, once per case.
    if given("--gungraun-run") {
        return count();
    }
    if given("--help") || given("-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    // `cargo test --all-targets` runs benches too, without this flag.
    if !given("--bench") {
        println!("instructions: not run; it is a benchmark: scripts/instructions.sh");
        return ExitCode::SUCCESS;
    }
    // gungraun reads the variable at compile time.
    let runner = option_env!("GUNGRAUN_RUNNER").unwrap_or("gungraun-runner");
    let missing: Vec<&str> = ["valgrind", runner]
        .into_iter()
        .filter(|program| !is_installed(program))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(" and ");
        eprintln!("instructions: no result. Not found: {missing}\n\n{HELP}");
        return ExitCode::FAILURE;
    }
    count()
}

fn is_installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// The function that `gungraun::main!` generates from the groups. It is called `main` too, so it has to be inside a
/// function.
fn count() -> ExitCode {
    gungraun::main!(library_benchmark_groups = codec, envelope, dispatch, pick);
    main();
    ExitCode::SUCCESS
}
