//! `mesh jobs dead`: dead letters with their errors and arguments.

use mesh_runtime::operator::JobsIn;
use serde_json::json;

use super::{
    filter::Filter,
    pages::{Listing, Wanted},
    print,
    reach::ReachArgs,
};
use crate::{
    context::Context,
    error::Result,
    output::{self, note, now_ms},
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
    let wanted = Wanted {
        jobs_in: JobsIn::Dead,
        filter: &args.filter,
        max: usize::from(args.max),
        details: true,
    };
    let listing = places.list(&wanted).await?;
    let letters = listing.jobs.iter().map(|found| &found.view);
    if context.json {
        let letters: Vec<_> = letters.map(print::json).collect();
        output::json(&json!({
            "command": places.target.to_string(),
            "shared": places.shared,
            "jobs": letters,
            "more": listing.more,
            "unreached": listing.unreached,
        }))?;
        return listing.must_be_complete();
    }
    if listing.jobs.is_empty() {
        output::print("no dead letters")?;
    } else {
        let now = now_ms();
        let text: String = letters.map(|letter| print::letter(letter, now)).collect();
        output::print(&text)?;
    }
    if listing.more {
        note(&format!(
            "note: there are more than these {}; --max N shows up to 1000",
            args.max
        ));
    }
    closed(&listing);
    listing.must_be_complete()
}

/// Tells of those that nobody could look into.
pub(super) fn closed(listing: &Listing) {
    if let Some(why) = &listing.closed_why {
        note(&format!(
            "note: {} came without arguments, so they do not match ({why})",
            print::letters(listing.closed)
        ));
    }
}
