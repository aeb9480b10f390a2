//! The command `mesh`: looks into a running mesh and steers it.

mod cli;
mod closest;
mod command_name;
mod commands;
mod completers;
mod confirm;
mod connection;
mod context;
mod error;
mod fleet;
mod json_text;
mod output;
mod profile;
mod type_text;

use std::{process::ExitCode, time::Duration};

use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;

use crate::{cli::Cli, error::CliError};

/// How long links have to say goodbye before the process ends.
const GOODBYE: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    // Answers a shell that asks for completions, and then ends the process.
    CompleteEnv::with_factory(Cli::command).complete();
    let cli = Cli::parse();
    let built = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match built {
        Ok(runtime) => runtime,
        Err(error) => return CliError::new(format!("cannot start: {error}")).report(),
    };
    let done = runtime.block_on(async {
        let done = cli.run().await;
        tokio::time::sleep(GOODBYE).await;
        done
    });
    // A thread that still reads the terminal must not keep the process.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
