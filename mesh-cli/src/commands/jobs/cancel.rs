//! `mesh jobs cancel`: throws a job away that has not begun.

use mesh_runtime::operator::JobsIn;
use serde_json::json;

use super::reach::ReachArgs;
use crate::{
    context::Context,
    error::{CliError, Result},
    output,
};

/// The arguments of `mesh jobs cancel`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  mesh jobs cancel Billing.export 4f2c9a1be07d3358-12
  mesh jobs cancel Billing.reload 4f2c9a1be07d3358-13 --instance b1")]
pub(super) struct CancelArgs {
    /// The queued command, as in Billing.export
    #[arg(add = crate::completers::queued_commands())]
    command: String,
    /// The job, which waits or is delayed
    #[arg(value_name = "ID")]
    job: String,
}

pub(super) async fn run(args: CancelArgs, reach: &ReachArgs, context: &Context) -> Result<()> {
    let places = reach.open(context, &args.command).await?;
    places.must_name_instance()?;
    let job = &args.job;
    let Some(found) = places.find(job).await? else {
        return Err(places.missing(job));
    };
    match found.view.jobs_in {
        JobsIn::Running => return Err(running(job)),
        JobsIn::Dead => {
            let error = CliError::new(format!("job `{job}` is a dead letter"));
            let command = &places.target;
            return Err(error.hint(format!("mesh jobs purge {command} {job} throws it away")));
        }
        _ => {}
    }
    if !places.remove(&found).await? {
        // It began or ended in the meantime.
        return Err(match places.find(job).await? {
            Some(found) if found.view.jobs_in == JobsIn::Running => running(job),
            _ => places.missing(job),
        });
    }
    let command = places.target.to_string();
    if context.json {
        return output::json(&json!({ "command": command, "cancelled": job }));
    }
    output::print(&format!(
        "cancelled job {} of {command}",
        output::plain(job)
    ))
}

fn running(job: &str) -> CliError {
    CliError::new(format!("job `{job}` is running: it cannot be taken back"))
        .hint("only jobs that wait or are delayed can be cancelled")
}
