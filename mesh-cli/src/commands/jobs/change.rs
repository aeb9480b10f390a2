//! `mesh jobs requeue` and `mesh jobs purge`: puts dead letters back, or throws them away.

use std::{cell::Cell, collections::BTreeMap};

use futures_util::{StreamExt, stream};
use indicatif::ProgressBar;
use mesh_runtime::operator::{JobsIn, OperatorError};
use serde_json::json;

use super::{
    dead,
    filter::Filter,
    pages::Wanted,
    places::{AT_ONCE, Change, Found, Letter, Places},
    print,
    reach::ReachArgs,
};
use crate::{
    confirm::confirm,
    context::Context,
    error::{CliError, Result},
    output::{self, note},
};

/// The most dead letters that are changed at a time. All of their ids are in memory.
const MOST: usize = 100_000;

/// How many may fail in a row before the others are left alone.
const FAILURES: u32 = 1000;

/// The arguments of `mesh jobs requeue` and `mesh jobs purge`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  mesh jobs requeue Billing.export 4f2c9a1be07d3358-12
  mesh jobs requeue Billing.export --error timeout --newer 1h
  mesh jobs purge Billing.export --older 30days --yes
  mesh jobs purge Billing.export --all")]
pub(super) struct ChangeArgs {
    /// The queued command, as in Billing.export
    #[arg(add = crate::completers::queued_commands())]
    command: String,
    /// The dead letters
    #[arg(value_name = "ID")]
    jobs: Vec<String>,
    /// All dead letters
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: Filter,
}

/// What came of it.
#[derive(Debug, Default)]
struct Done {
    changed: u64,
    /// Ids that no dead letter has, or has any more.
    missing: Vec<String>,
    failed: u64,
    /// The last error.
    error: Option<CliError>,
    /// There are more that are meant, or there may be.
    more: bool,
    /// Instances that could not be asked which dead letters they have.
    unreached: Vec<String>,
    /// Not all that are meant were seen.
    incomplete: bool,
}

impl Done {
    fn fail(&mut self, error: CliError) {
        self.failed += 1;
        self.error = Some(error);
    }
}

impl ChangeArgs {
    /// Exactly one of ids, `--all` and a filter.
    fn check(&self) -> Result<()> {
        let given = [!self.jobs.is_empty(), self.all, !self.filter.is_empty()];
        let hint =
            "give ids, --all, or a filter: --error, --where, --older, --newer, --attempts-over";
        match given.iter().filter(|given| **given).count() {
            1 => Ok(()),
            0 => Err(CliError::usage("which dead letters?").hint(hint)),
            _ => Err(CliError::usage("ids, --all and filters do not go together").hint(hint)),
        }
    }
}

impl Change {
    /// As in "requeued 12 dead letters".
    fn done(self) -> &'static str {
        match self {
            Self::Requeue => "requeued",
            Self::Purge => "purged",
        }
    }
}

pub(super) async fn run(
    change: Change,
    args: ChangeArgs,
    reach: &ReachArgs,
    context: &Context,
) -> Result<()> {
    args.check()?;
    let places = reach.open(context, &args.command).await?;
    let mut done = Done::default();
    let letters = if args.jobs.is_empty() {
        seen(&places, change, &args, &mut done).await?
    } else {
        given(&places, change, &args.jobs, &mut done).await
    };
    // Throwing away cannot be undone, so it is asked for.
    if change == Change::Purge && !letters.is_empty() {
        let number = print::letters(letters.len() as u64);
        let question = format!("Throw {number} of {} away for good?", places.target);
        confirm(&question, context.yes)?;
    }
    act(&places, change, &letters, &mut done).await;
    match done.error.take() {
        Some(error) if args.jobs.len() == 1 => Err(error),
        error => report(&places, change, &args, &done, error, context),
    }
}

/// All dead letters that are there now and match.
async fn seen(
    places: &Places,
    change: Change,
    args: &ChangeArgs,
    done: &mut Done,
) -> Result<Vec<Letter>> {
    let wanted = Wanted {
        jobs_in: JobsIn::Dead,
        filter: &args.filter,
        max: MOST,
        details: false,
    };
    let listing = places.list(&wanted).await?;
    dead::closed(&listing);
    let number = listing.jobs.len() as u64;
    if listing.more {
        note(&format!(
            "note: there are more than these {}: try again for the others",
            print::letters(number)
        ));
    }
    done.more = listing.more || listing.closed > 0;
    done.incomplete = listing.more || !listing.unreached.is_empty();
    done.unreached = listing.unreached;
    // Of all, none is no error.
    if number == 0 && !args.all {
        let error = CliError::new(format!("no dead letter of `{}` matches", places.target));
        return Err(error.hint(format!("mesh jobs dead {} lists them", places.target)));
    }
    Ok(at_home(places, change, listing.jobs, done))
}

/// The dead letters whose ids were given.
async fn given(places: &Places, change: Change, jobs: &[String], done: &mut Done) -> Vec<Letter> {
    done.unreached.clone_from(&places.unreached);
    if change == Change::Purge || !places.target.broadcast || places.in_redis {
        let wherever = |job: &String| Letter {
            job: job.clone(),
            place: None,
        };
        return jobs.iter().map(wherever).collect();
    }
    // Each goes back to its own instance.
    let mut letters = Vec::new();
    for job in jobs {
        match places.find(job).await {
            Ok(Some(found)) if found.view.jobs_in == JobsIn::Dead => letters.push(found),
            Ok(_) => done.missing.push(job.clone()),
            Err(error) => done.fail(error),
        }
    }
    at_home(places, change, letters, done)
}

/// With the places where they are changed. Those stay that would have to go back to an instance that was not reached.
fn at_home(places: &Places, change: Change, letters: Vec<Found>, done: &mut Done) -> Vec<Letter> {
    let mut homeless: BTreeMap<String, u64> = BTreeMap::new();
    let mut at_home = Vec::new();
    for found in letters {
        let place = match change {
            Change::Requeue => places.home(&found),
            Change::Purge => Ok(found.place),
        };
        match place {
            Ok(place) => at_home.push(Letter {
                job: found.view.job,
                place: Some(place),
            }),
            Err(instance) => *homeless.entry(instance).or_default() += 1,
        }
    }
    for (instance, number) in homeless {
        done.failed += number;
        note(&format!(
            "warning: {} not requeued: its instance {instance} was not reached; with ids, `--instance` says where else",
            print::letters(number)
        ));
    }
    at_home
}

/// Changes these dead letters and no others, a few at once.
async fn act(places: &Places, change: Change, letters: &[Letter], done: &mut Done) {
    let progress = ProgressBar::new(letters.len() as u64);
    let stopped = Cell::new(false);
    let tried = letters.iter().take_while(|_| !stopped.get());
    let changes = tried.map(|letter| async move { (letter, places.change(change, letter).await) });
    let mut answers = stream::iter(changes).buffer_unordered(AT_ONCE);
    let mut failures = 0;
    while let Some((letter, answer)) = answers.next().await {
        progress.inc(1);
        match answer {
            Ok(true) => done.changed += 1,
            Ok(false) => done.missing.push(letter.job.clone()),
            Err(error) => {
                failures += 1;
                // What fails for one need not fail for the next, but a lost connection does.
                if !matches!(error, OperatorError::Failed { .. }) || failures >= FAILURES {
                    stopped.set(true);
                }
                done.fail(error.into());
                continue;
            }
        }
        failures = 0;
    }
    let left = letters.len() as u64 - progress.position();
    progress.finish_and_clear();
    if left > 0 {
        done.failed += left;
        note(&format!(
            "warning: {} not tried after so many failures",
            print::letters(left)
        ));
    }
}

fn report(
    places: &Places,
    change: Change,
    args: &ChangeArgs,
    done: &Done,
    error: Option<CliError>,
    context: &Context,
) -> Result<()> {
    let command = places.target.to_string();
    if let Some(error) = error {
        note(&format!(
            "warning: {} not {}: {}",
            print::letters(done.failed),
            change.done(),
            error.what()
        ));
    }
    if context.json {
        output::json(&json!({
            "command": command,
            change.done(): done.changed,
            "missing": done.missing,
            "more": done.more,
            "failed": done.failed,
            "unreached": done.unreached,
        }))?;
    } else {
        let letters = print::letters(done.changed);
        output::print(&format!("{} {letters} of {command}", change.done()))?;
        for job in &args.jobs {
            if done.missing.contains(job) {
                note(&format!("warning: {command} has no dead letter {job}"));
            }
        }
        if args.jobs.is_empty() && !done.missing.is_empty() {
            let gone = print::letters(done.missing.len() as u64);
            note(&format!("note: {gone} went meanwhile"));
        }
    }
    let missing = !args.jobs.is_empty() && !done.missing.is_empty();
    if done.failed > 0 || done.incomplete || missing {
        return Err(CliError::silent(1));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
