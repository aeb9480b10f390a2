//! `mesh jobs show`: everything about one job.

use super::{print, reach::ReachArgs};
use crate::{
    context::Context,
    error::Result,
    output::{self, now_ms},
};

/// The arguments of `mesh jobs show`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  mesh jobs show Billing.export 4f2c9a1be07d3358-12
  mesh jobs show Billing.export 4f2c9a1be07d3358-12 --json")]
pub(super) struct ShowArgs {
    /// The queued command, as in Billing.export
    #[arg(add = crate::completers::queued_commands())]
    command: String,
    /// The job
    #[arg(value_name = "ID")]
    job: String,
}

pub(super) async fn run(args: ShowArgs, reach: &ReachArgs, context: &Context) -> Result<()> {
    let places = reach.open(context, &args.command).await?;
    let Some(found) = places.find(&args.job).await? else {
        return Err(places.missing(&args.job));
    };
    if context.json {
        return output::json(&print::json(&found.view));
    }
    output::print(&print::everything(&found.view, now_ms()))
}
