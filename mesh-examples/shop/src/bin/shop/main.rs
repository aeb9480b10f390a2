//! The shop as processes: one program that can be any of its nodes, and `shop run`, which starts all of them.
//!
//! - [`run`] and [`fleet`]: the parent of all processes, and how it starts and ends them.
//! - [`services`]: the master, Stock, Billing and Audit.
//! - [`gateway`]: places the orders; [`totals`] compares the sums.
//! - [`settings`]: flags and environment variables that several of them share.
//! - [`stop`]: why a process may have to end early.
//! - [`output`]: writes whole lines.
//! - [`generate`]: makes a file of orders.

mod error;
mod fleet;
mod gateway;
mod generate;
mod output;
mod run;
mod services;
mod settings;
mod stop;
mod totals;

use std::{io::IsTerminal, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::{error::ShopError, output::complain, stop::Stop};

/// A shop whose every part is a process of its own, joined by a mesh.
#[derive(Debug, Parser)]
#[command(name = "shop", version, after_long_help = BY_HAND)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// End when standard input is closed, and leave Ctrl-C to the parent: for the processes that `run` starts.
    #[arg(long, global = true, hide = true)]
    exit_with_parent: bool,
}

const BY_HAND: &str = "\
To see the processes one by one, give each a terminal of its own (`shop` stands for
`cargo run -p mesh-shop --bin shop --`):
  shop master
  shop stock --instance stock-1
  shop billing --instance billing-1
  shop billing --instance billing-2
  shop audit
  shop gateway mesh-examples/shop/data/orders.csv
Ctrl-C ends each of them. In which order they start does not matter.

RUST_LOG says how much they tell, for example RUST_LOG=info.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start all processes of the shop, place the orders of a file, and end them again
    Run(run::RunArgs),
    /// Start the master, with which every node registers
    Master(services::MasterArgs),
    /// Start a Stock: it sets goods aside
    Stock(services::StockArgs),
    /// Start a Billing: it charges customers
    Billing(services::BillingArgs),
    /// Start an Audit: it keeps the books
    Audit(services::AuditArgs),
    /// Place the orders of a file, once the other nodes are there
    Gateway(gateway::GatewayArgs),
    /// Write a file of orders to standard output; the same numbers give the same file
    Generate(generate::GenerateArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // Standard output is for results, so logs go to standard error.
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match dispatch(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("shop: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

async fn dispatch(cli: Cli) -> Result<(), ShopError> {
    let stop = Stop::watch(cli.exit_with_parent)?;
    match cli.command {
        Command::Run(args) => run::run(args, stop).await,
        Command::Master(args) => services::master(args, stop).await,
        Command::Stock(args) => services::stock(args, stop).await,
        Command::Billing(args) => services::billing(args, stop).await,
        Command::Audit(args) => services::audit(args, stop).await,
        Command::Gateway(args) => gateway::gateway(args, stop).await,
        Command::Generate(args) => generate::generate(&args, std::io::stdout().lock()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
