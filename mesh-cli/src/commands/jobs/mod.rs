//! `mesh jobs`: looks into job queues and steers them.

mod cancel;
mod change;
pub(crate) mod counts;
mod dead;
mod filter;
mod list;
mod overview;
mod pages;
mod pause;
mod places;
mod print;
mod reach;
mod show;
mod straight;
mod target;

use self::{places::Change, reach::ReachArgs};
use crate::{context::Context, error::Result};

/// The arguments of `mesh jobs`.
#[derive(clap::Args, Debug)]
#[command(
    subcommand_precedence_over_arg = true,
    after_help = "Examples:
  mesh jobs                                       all queues, and how full they are
  mesh jobs dead Billing.export                   what has failed for good, and why
  mesh jobs requeue Billing.export --newer 1h     try again what died in the last hour
  mesh jobs dead Billing.export --redis           the same while no instance runs"
)]
pub(crate) struct JobsArgs {
    #[command(flatten)]
    reach: ReachArgs,
    #[command(subcommand)]
    command: Option<JobsCommand>,
}

#[derive(clap::Subcommand, Debug)]
enum JobsCommand {
    /// List the jobs of a queue
    List(list::ListArgs),
    /// Show everything about one job, with its arguments
    Show(show::ShowArgs),
    /// Throw a job away that waits or is delayed
    Cancel(cancel::CancelArgs),
    /// List dead letters, with their errors and arguments
    Dead(dead::DeadArgs),
    /// Put dead letters back into their queue
    Requeue(change::ChangeArgs),
    /// Throw dead letters away
    Purge(change::ChangeArgs),
    /// Let no job of a queue begin
    Pause(pause::PauseArgs),
    /// Let the jobs of a queue begin again
    Resume(pause::PauseArgs),
}

pub(crate) async fn run(args: JobsArgs, context: &Context) -> Result<()> {
    let reach = &args.reach;
    match args.command {
        None => overview::run(reach, context).await,
        Some(JobsCommand::List(args)) => list::run(args, reach, context).await,
        Some(JobsCommand::Show(args)) => show::run(args, reach, context).await,
        Some(JobsCommand::Cancel(args)) => cancel::run(args, reach, context).await,
        Some(JobsCommand::Dead(args)) => dead::run(args, reach, context).await,
        Some(JobsCommand::Requeue(args)) => {
            change::run(Change::Requeue, args, reach, context).await
        }
        Some(JobsCommand::Purge(args)) => change::run(Change::Purge, args, reach, context).await,
        Some(JobsCommand::Pause(args)) => pause::run(true, args, reach, context).await,
        Some(JobsCommand::Resume(args)) => pause::run(false, args, reach, context).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Line {
        #[command(flatten)]
        args: JobsArgs,
    }

    fn parse(words: &[&str]) -> JobsArgs {
        let words = [&["jobs"][..], words].concat();
        Line::try_parse_from(words).unwrap().args
    }

    #[test]
    fn without_a_subcommand_all_queues_are_meant() {
        assert!(parse(&[]).command.is_none());
        assert!(parse(&["--redis"]).command.is_none());
    }

    #[test]
    fn redis_may_stand_before_or_after_the_subcommand_with_or_without_a_url() {
        for words in [
            &["--redis", "list", "Billing.export"][..],
            &["--redis", "redis://h", "list", "Billing.export"],
            &["list", "Billing.export", "--redis"],
            &["list", "Billing.export", "--redis=redis://h"],
        ] {
            let args = parse(words);
            assert!(
                matches!(args.command, Some(JobsCommand::List(_))),
                "{words:?}"
            );
            let reach = format!("{:?}", args.reach);
            assert!(reach.contains("redis: Some("), "{words:?}");
        }
    }
}
