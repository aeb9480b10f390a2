//! `mesh jobs pause` and `mesh jobs resume`: whether jobs of a queue begin.

use mesh_runtime::operator::OperatorError;
use serde_json::json;

use super::{places::Place, reach::ReachArgs};
use crate::{
    context::Context,
    error::{CliError, Result},
    output,
};

/// The arguments of `mesh jobs pause` and `mesh jobs resume`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  mesh jobs pause Billing.export
  mesh jobs resume Billing.export")]
pub(super) struct PauseArgs {
    /// The queued command, as in Billing.export
    #[arg(add = crate::completers::queued_commands())]
    command: String,
}

pub(super) async fn run(
    pause: bool,
    args: PauseArgs,
    reach: &ReachArgs,
    context: &Context,
) -> Result<()> {
    let places = reach.open(context, &args.command).await?;
    places.must_name_instance()?;
    let mut done = Vec::new();
    let set = |place: usize| set(&places.places[place], pause);
    let take = |place: usize, ()| done.push(places.places[place].name());
    let mut failed = places.each(places.places.len(), set, take).await?;
    failed.extend(places.unreached.iter().cloned());
    let command = places.target.to_string();
    if context.json {
        output::json(&json!({
            "command": command,
            "paused": pause,
            "shared": places.shared,
            "instances": done,
            "unreached": failed,
        }))?;
    } else {
        output::print(&told(pause, &command, places.shared, done.len()))?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    let went_on = if pause { "not paused" } else { "not resumed" };
    Err(
        CliError::new(format!("{command} is {went_on} on {}", failed.join(", ")))
            .hint("each instance has its own queue: try again when they can be reached"),
    )
}

async fn set(place: &Place, pause: bool) -> std::result::Result<(), OperatorError> {
    let queue = place.queue();
    if pause {
        queue.pause().await
    } else {
        queue.resume().await
    }
}

fn told(pause: bool, command: &str, shared: bool, instances: usize) -> String {
    let done = if pause { "paused" } else { "resumed" };
    if shared {
        return format!("{done} {command} for all instances");
    }
    match instances {
        1 => format!("{done} {command} on 1 instance"),
        number => format!("{done} {command} on {number} instances"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_where_a_queue_is_paused() {
        let shared = told(true, "Billing.export", true, 1);
        assert_eq!(shared, "paused Billing.export for all instances");
        let own = told(false, "Billing.export", false, 3);
        assert_eq!(own, "resumed Billing.export on 3 instances");
    }
}
