//! `mesh jobs list`: the jobs of a queue.

use mesh_runtime::operator::{JobView, JobsIn};
use serde_json::json;

use super::{
    filter::Filter,
    pages::{Listing, Wanted},
    places::Places,
    print,
    reach::ReachArgs,
};
use crate::{
    context::Context,
    error::Result,
    output::{self, ago, note, now_ms, table},
};

/// How much of the arguments is in a row, in characters.
const ARGS: usize = 60;

/// The arguments of `mesh jobs list`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  mesh jobs list Billing.export
  mesh jobs list Billing.export --state delayed --max 1000")]
pub(super) struct ListArgs {
    /// The queued command, as in Billing.export
    #[arg(add = crate::completers::queued_commands())]
    command: String,
    /// Only jobs in this state; can be repeated. Default: waiting, delayed and running
    #[arg(long, value_name = "STATE", value_enum)]
    state: Vec<State>,
    /// The most jobs to list in each state: 1 to 1000
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    max: u16,
}

/// Where a job is.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Delayed,
    Running,
    Dead,
}

impl From<State> for JobsIn {
    fn from(state: State) -> Self {
        match state {
            State::Waiting => Self::Waiting,
            State::Delayed => Self::Delayed,
            State::Running => Self::Running,
            State::Dead => Self::Dead,
        }
    }
}

pub(super) async fn run(args: ListArgs, reach: &ReachArgs, context: &Context) -> Result<()> {
    let places = reach.open(context, &args.command).await?;
    let states: &[State] = match &args.state[..] {
        [] => &[State::Waiting, State::Delayed, State::Running],
        states => states,
    };
    if states.iter().any(|state| *state != State::Dead) {
        places.must_name_instance()?;
    }
    let mut all = Listing::default();
    for state in states {
        let wanted = Wanted {
            jobs_in: (*state).into(),
            filter: &Filter::default(),
            max: usize::from(args.max),
            details: true,
        };
        let listing = places.list(&wanted).await?;
        all.more |= listing.more;
        all.jobs.extend(listing.jobs);
        all.unreached.extend(listing.unreached);
    }
    all.unreached.sort();
    all.unreached.dedup();
    let jobs: Vec<&JobView> = all.jobs.iter().map(|found| &found.view).collect();
    if context.json {
        let jobs: Vec<_> = jobs.into_iter().map(print::json).collect();
        output::json(&json!({
            "command": places.target.to_string(),
            "shared": places.shared,
            "jobs": jobs,
            "more": all.more,
            "unreached": all.unreached,
        }))?;
        return all.must_be_complete();
    }
    if jobs.is_empty() {
        output::print("no jobs")?;
    } else {
        output::print(&rows(&jobs, &places))?;
    }
    if all.more {
        note(&format!(
            "note: at most {} jobs of each state are shown; --max N shows up to 1000",
            args.max
        ));
    }
    all.must_be_complete()
}

fn rows(jobs: &[&JobView], places: &Places) -> String {
    let now = now_ms();
    let mut header = vec!["job", "state", "attempts", "queued", "when", "args"];
    if !places.shared {
        header.push("instance");
    }
    let row = |job: &&JobView| {
        let mut row = vec![
            job.job.clone(),
            print::state(job.jobs_in).to_owned(),
            job.attempts.to_string(),
            ago(job.enqueued_ms, now),
            when(job, now),
            print::args(job, ARGS),
        ];
        if !places.shared {
            row.push(job.instance.clone().unwrap_or_default());
        }
        row
    };
    table(&header, jobs.iter().map(row).collect(), &[2])
}

/// When it will run, or when it died.
fn when(job: &JobView, now_ms: u64) -> String {
    match (job.died_ms, job.due_ms) {
        (Some(died_ms), _) => format!("died {}", ago(died_ms, now_ms)),
        (None, Some(due_ms)) => format!("due {}", ago(due_ms, now_ms)),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::print::tests::dead, *};

    #[test]
    fn a_row_says_when_a_job_runs_or_died() {
        let mut job = dead("a-1");
        assert_eq!(when(&job, 150_000), "died 1m ago");
        job.died_ms = None;
        assert_eq!(when(&job, 150_000), "");
        job.due_ms = Some(153_000);
        assert_eq!(when(&job, 150_000), "due in 3 s");
    }
}
