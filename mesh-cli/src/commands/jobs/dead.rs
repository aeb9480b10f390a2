//! `mesh jobs dead`: dead letters with their errors and arguments.

use serde_json::json;

use super::{
    filter::Filter,
    places::{Letters, MOST},
    print,
    reach::ReachArgs,
};
use crate::{
    context::Context,
    error::Result,
    output::{self, count, note, now_ms},
};

/// The arguments of `mesh jobs dead`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  mesh jobs dead Billing.export
  mesh jobs dead Billing.export --error timeout --newer 1h
  mesh jobs dead Billing.export --where order.customer=7 --json")]
pub(super) struct DeadArgs {
    /// The queued command, as in Billing.export
    #[arg(add = crate::completers::queued_commands())]
    command: String,
    #[command(flatten)]
    filter: Filter,
    /// The most dead letters to show: 1 to 1000, the oldest first
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    max: u16,
}

pub(super) async fn run(args: DeadArgs, reach: &ReachArgs, context: &Context) -> Result<()> {
    let places = reach.open(context, &args.command).await?;
    let letters = places.letters(&args.filter).await?;
    let max = usize::from(args.max);
    let shown = letters.letters.iter().take(max);
    if context.json {
        let shown: Vec<_> = shown.map(|found| print::json(&found.view)).collect();
        return output::json(&json!({
            "command": places.target.to_string(),
            "shared": places.shared,
            "jobs": shown,
            "more": letters.full || letters.letters.len() > max,
            "unreached": places.unreached,
        }));
    }
    if letters.letters.is_empty() {
        output::print("no dead letters")?;
    } else {
        let now = now_ms();
        let text: String = shown.map(|found| print::letter(&found.view, now)).collect();
        output::print(&text)?;
    }
    if letters.letters.len() > max {
        note(&format!(
            "note: {max} of {} are shown; --max N shows up to 1000",
            print::letters(letters.letters.len() as u64)
        ));
    }
    limits(&letters);
    Ok(())
}

/// Tells what was not looked at.
pub(super) fn limits(letters: &Letters) {
    if letters.full {
        note(&format!(
            "note: one list has the oldest {} dead letters at most; there may be newer ones",
            count(MOST as u64)
        ));
    }
    if let Some(first) = letters.closed.first() {
        note(&format!(
            "note: {} came without arguments, so they do not match ({}: {})",
            print::letters(letters.closed.len() as u64),
            first.job,
            first.args_error.as_deref().unwrap_or("not told why")
        ));
    }
}
