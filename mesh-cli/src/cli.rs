//! The command line: its global options and its commands.

use clap::{Parser, Subcommand};

use crate::{commands, connection::Connection, context::Context, error::Result};

/// Looks into a running mesh and steers it.
///
/// It needs no source code of the mesh: only the address of its master, and its keys. Both come from options, from the
/// environment, or from a profile, which is a file in ~/.config/mesh.
#[derive(Parser, Debug)]
#[command(
    name = "mesh",
    version,
    after_help = "Examples:
  mesh --master 10.0.0.1:7000 nodes     with the keys in MESH_PUBLIC_KEY and MESH_PRIVATE_KEY
  mesh --profile shop schema            with all that is in ~/.config/mesh/shop.toml
  mesh key new                          makes the keys of a new mesh

Exit codes: 0 done; 1 the mesh says no, or nothing was found; 2 wrong usage; 3 nobody could be reached."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: Connection,

    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Do what is asked without a confirmation
    #[arg(long, short = 'y', global = true)]
    pub(crate) yes: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, each with its arguments.
#[derive(Subcommand, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one value in the life of the process"
)]
pub(crate) enum Command {
    /// List the nodes, and how they are
    Nodes(commands::nodes::NodesArgs),
    /// List the links between nodes, as each end sees them
    Links(commands::links::LinksArgs),
    /// Show node types, commands and their types
    Schema(commands::schema::SchemaArgs),
    /// Show what has happened, and what happens
    Events(commands::events::EventsArgs),
    /// Call a command
    Call(commands::call::CallArgs),
    /// Watch load, durations and errors
    Top(commands::top::TopArgs),
    /// Measure how fast a command is
    Bench(commands::bench::BenchArgs),
    /// Let a node finish what it does, and end
    Drain(commands::drain::DrainArgs),
    /// Look into job queues and steer them
    Jobs(commands::jobs::JobsArgs),
    /// Find what is wrong
    Check(commands::check::CheckArgs),
    /// Make keys
    Key(commands::key::KeyArgs),
    /// Print the script that makes a shell complete this command
    Completion(commands::completion::CompletionArgs),
}

impl Cli {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<()> {
        let context = &Context {
            connection: self.connection,
            json: self.json,
            yes: self.yes,
        };
        match self.command {
            Command::Nodes(args) => commands::nodes::run(args, context).await,
            Command::Links(args) => commands::links::run(args, context).await,
            Command::Schema(args) => commands::schema::run(args, context).await,
            Command::Events(args) => commands::events::run(args, context).await,
            Command::Call(args) => commands::call::run(args, context).await,
            Command::Top(args) => commands::top::run(args, context).await,
            Command::Bench(args) => commands::bench::run(args, context).await,
            Command::Drain(args) => commands::drain::run(args, context).await,
            Command::Jobs(args) => commands::jobs::run(args, context).await,
            Command::Check(args) => commands::check::run(args, context).await,
            Command::Key(args) => commands::key::run(args, context).await,
            Command::Completion(args) => commands::completion::run(args, context).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_declared_without_contradictions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for words in [
            ["mesh", "--json", "--timeout", "2s", "nodes"],
            ["mesh", "nodes", "--json", "--timeout", "2s"],
        ] {
            let cli = Cli::try_parse_from(words).unwrap();
            assert!(cli.json);
            assert!(!cli.yes);
            assert_eq!(cli.connection.timeout, Some(Duration::from_secs(2)));
            assert!(matches!(cli.command, Command::Nodes(_)));
        }
    }

    #[test]
    fn a_private_key_is_no_option() {
        let words = ["mesh", "--private-key", "hush", "nodes"];
        assert_eq!(Cli::try_parse_from(words).unwrap_err().exit_code(), 2);
    }
}
