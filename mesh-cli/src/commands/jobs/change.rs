//! `mesh jobs requeue` and `mesh jobs purge`: puts dead letters back, or throws them away.

use mesh_runtime::operator::OperatorError;
use serde_json::json;

use super::{
    dead,
    filter::Filter,
    places::{Change, Place, Places},
    print,
    reach::ReachArgs,
    rounds,
};
use crate::{
    confirm::confirm,
    context::Context,
    error::{CliError, Result},
    output::{self, note},
};

/// How often a place is asked to change all of its dead letters, if it needs longer than one answer may take.
const TRIES: usize = 100;

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
#[derive(Default)]
struct Done {
    changed: u64,
    /// Ids that no dead letter has.
    missing: Vec<String>,
    /// There may be more that are meant.
    more: bool,
    /// Not everything could be done, and the reasons have been told.
    failed: bool,
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
    let done = if !args.jobs.is_empty() {
        by_id(&places, change, &args.jobs, context).await?
    } else if args.all && !places.target.broadcast {
        all(&places, change, context).await?
    } else {
        // Of a `queued broadcast` command, each dead letter goes back to its own instance.
        matching(&places, change, &args, context).await?
    };
    report(&places, change, &done, context)
}

async fn by_id(
    places: &Places,
    change: Change,
    jobs: &[String],
    context: &Context,
) -> Result<Done> {
    ask(places, change, &print::letters(jobs.len() as u64), context)?;
    let mut done = Done::default();
    for job in jobs {
        match places.change_by_id(change, job).await {
            Ok(true) => done.changed += 1,
            Ok(false) => done.missing.push(job.clone()),
            Err(error) if jobs.len() == 1 => return Err(error),
            Err(error) => {
                note(&format!("warning: {job}: {}", error.what()));
                done.failed = true;
            }
        }
    }
    Ok(done)
}

async fn all(places: &Places, change: Change, context: &Context) -> Result<Done> {
    let mut number = 0;
    for place in &places.places {
        let counts = place.queue().counts().await?;
        if let Some(error) = counts.error {
            let engine = format!("the queue engine failed on {}: {error}", place.name());
            return Err(CliError::new(engine));
        }
        number += counts.dead;
    }
    let mut done = Done::default();
    if number == 0 {
        return Ok(done);
    }
    ask(places, change, &print::letters(number), context)?;
    for place in &places.places {
        match all_of(place, change).await {
            Ok(changed) => done.changed += changed,
            Err(error) if places.places.len() == 1 => return Err(error.into()),
            Err(error) => {
                print::failed(place.name(), &error);
                done.failed = true;
            }
        }
    }
    let left = number.saturating_sub(done.changed);
    if left > 0 && !done.failed {
        note(&format!(
            "note: {} went meanwhile, or cannot be opened with these keys and stayed",
            print::letters(left)
        ));
    }
    Ok(done)
}

/// Changes all dead letters of one place. Goes on as long as each try changes some.
async fn all_of(place: &Place, change: Change) -> std::result::Result<u64, OperatorError> {
    let queue = place.queue();
    let mut changed = 0;
    for _ in 0..TRIES {
        let before = queue.counts().await?.dead;
        let answer = match change {
            Change::Requeue => queue.requeue_all().await,
            Change::Purge => queue.purge_all().await,
        };
        match answer {
            Ok(last) => return Ok(changed + last),
            Err(OperatorError::DeadlineExceeded { command, after }) => {
                let left = queue.counts().await?.dead;
                if left >= before {
                    return Err(OperatorError::DeadlineExceeded { command, after });
                }
                changed += before - left;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(changed)
}

async fn matching(
    places: &Places,
    change: Change,
    args: &ChangeArgs,
    context: &Context,
) -> Result<Done> {
    if change == Change::Purge && !context.yes {
        let letters = places.letters(&args.filter).await?;
        if letters.letters.is_empty() {
            dead::limits(&letters);
            return none(places, args);
        }
        let number = print::letters(letters.letters.len() as u64);
        let more = letters.full || !letters.closed.is_empty();
        let number = if more {
            format!("at least {number}")
        } else {
            number
        };
        ask(places, change, &number, context)?;
    }
    let outcome = rounds::run(places, &args.filter, change).await?;
    if outcome.rounds > 1 {
        let rounds = outcome.rounds;
        note(&format!(
            "note: one list was not enough: it took {rounds} rounds"
        ));
    }
    if outcome.failed > 0 {
        note(&format!(
            "warning: {} could not be {}: {}",
            print::letters(outcome.failed),
            change.done(),
            outcome.error.as_deref().unwrap_or_default()
        ));
    }
    if let Some(why) = &outcome.stopped {
        note(&format!("warning: not all were looked at: {why}"));
    }
    dead::limits(&outcome.last);
    let failed = outcome.failed > 0 || outcome.stopped.is_some();
    if outcome.changed == 0 && !failed {
        return none(places, args);
    }
    Ok(Done {
        changed: outcome.changed,
        missing: Vec::new(),
        more: outcome.last.full || !outcome.last.closed.is_empty(),
        failed,
    })
}

/// Nothing matched. Of all, none is no error.
fn none(places: &Places, args: &ChangeArgs) -> Result<Done> {
    if args.all {
        return Ok(Done::default());
    }
    Err(
        CliError::new(format!("no dead letter of `{}` matches", places.target))
            .hint(format!("mesh jobs dead {} lists them", places.target)),
    )
}

/// Throwing away cannot be undone, so it is asked for.
fn ask(places: &Places, change: Change, number: &str, context: &Context) -> Result<()> {
    if change == Change::Requeue {
        return Ok(());
    }
    let question = format!("Throw {number} of {} away for good?", places.target);
    confirm(&question, context.yes)
}

fn report(places: &Places, change: Change, done: &Done, context: &Context) -> Result<()> {
    let command = places.target.to_string();
    if context.json {
        output::json(&json!({
            "command": command,
            change.done(): done.changed,
            "missing": done.missing,
            "more": done.more,
            "failed": done.failed,
            "unreached": places.unreached,
        }))?;
    } else {
        let letters = print::letters(done.changed);
        output::print(&format!("{} {letters} of {command}", change.done()))?;
        for job in &done.missing {
            note(&format!("warning: {command} has no dead letter {job}"));
        }
    }
    if done.failed || !done.missing.is_empty() {
        return Err(CliError::silent(1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Line {
        #[command(flatten)]
        args: ChangeArgs,
    }

    fn check(words: &[&str]) -> bool {
        let words = [&["requeue", "Billing.export"][..], words].concat();
        Line::try_parse_from(words).unwrap().args.check().is_ok()
    }

    #[test]
    fn exactly_one_way_to_choose_is_given() {
        assert!(check(&["a-1", "a-2"]));
        assert!(check(&["--all"]));
        assert!(check(&["--older", "2days", "--where", "order.customer=7"]));
        assert!(!check(&[]));
        assert!(!check(&["a-1", "--all"]));
        assert!(!check(&["a-1", "--error", "timeout"]));
        assert!(!check(&["--all", "--newer", "1h"]));
    }
}
