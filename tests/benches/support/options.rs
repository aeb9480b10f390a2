//! The command line of the benches: all of them take the same options.

use std::process::ExitCode;

/// Whether `--quick` was given to the bench `name`; or the exit code if nothing is to be measured.
pub(crate) fn quick(name: &str, help: &str) -> Result<bool, ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| args.iter().any(|arg| arg == name);
    if given("--help") || given("-h") {
        println!("{help}");
        return Err(ExitCode::SUCCESS);
    }
    // `cargo test --all-targets` runs benches too, without this flag.
    if !given("--bench") {
        println!("{name}: not run; it is a benchmark: cargo bench -p mesh-tests --bench {name}");
        return Err(ExitCode::SUCCESS);
    }
    let is_unknown = |arg: &&String| !["--bench", "--quick"].contains(&arg.as_str());
    if let Some(unknown) = args.iter().find(is_unknown) {
        eprintln!("{name}: unknown option `{unknown}`\n\n{help}");
        return Err(ExitCode::FAILURE);
    }
    Ok(given("--quick"))
}
