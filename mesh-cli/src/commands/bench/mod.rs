//! `mesh bench`: measures how fast a command is, by calling it.

mod load;
mod report;
mod tally;

use std::{
    io::{self, IsTerminal},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use mesh_runtime::schema::{CommandDescription, Delivery};
use tokio::{signal, task::JoinSet, time};

use self::{
    load::{Load, MAX_IN_FLIGHT, Times},
    report::Report,
};
use super::call::{
    arguments::Given,
    targets::{self, Target, Wanted},
    timeout_of,
};
use crate::{
    completers,
    confirm::confirm,
    context::Context,
    error::{CliError, Result},
    output::{self, some},
};

/// How often the progress is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(200);

/// Measure how fast a command is, by calling it
#[derive(Args, Debug)]
#[command(
    after_help = "These are real calls: unless the command is declared idempotent, a confirmation is needed \
(--yes).
The calls go to all instances in turn, over this machine's links to them. What is measured includes this
machine and the network. Ctrl-C ends early and still prints what was measured.

Counted are the calls that end in the time that is measured. With --rate, a call is measured from when it was
due, so that waiting for slow calls before it counts.

Examples:
  mesh bench Billing.price '{\"sku\": \"a\"}'
  mesh bench Billing.price @price.json --concurrency 256 --seconds 30
  mesh bench Billing.price @price.json --rate 1000 --to b1 --json"
)]
pub(crate) struct BenchArgs {
    /// The command, as Billing.charge
    #[arg(value_name = "COMMAND", add = completers::commands())]
    command: String,

    /// The arguments as JSON, the same for each call; or @FILE, or - for standard input
    #[arg(value_name = "ARGS")]
    args: Option<String>,

    /// How many calls are under way at once; at most 200 for each instance
    #[arg(
        long,
        value_name = "CALLS",
        default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    concurrency: u32,

    /// How long to measure, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=86_400)
    )]
    seconds: u32,

    /// How long to call before that without counting, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(0..=3_600)
    )]
    warmup: u32,

    /// How many calls to begin each second; without it, as many as there is room for
    #[arg(
        long,
        value_name = "CALLS_PER_S",
        value_parser = clap::value_parser!(u32).range(1..=10_000_000)
    )]
    rate: Option<u32>,

    /// Call only this instance, as b1 or Billing/b1
    #[arg(long, value_name = "INSTANCE", add = completers::instances())]
    to: Option<String>,

    /// Measure a queued command as well: each call queues a job, which will run
    #[arg(long)]
    queue_jobs: bool,
}

/// Measures.
pub(crate) async fn run(args: BenchArgs, context: &Context) -> Result<()> {
    let given = Given::read(args.args.as_deref())?;
    let wanted = Wanted {
        command: &args.command,
        given: given.as_ref(),
        to: args.to.as_deref(),
    };
    let targets = connected(wanted, context).await?;
    allowed(&args, &targets, context)?;
    let concurrency = concurrency(args.concurrency as usize, targets.len());
    let count = targets.len();
    let start = Instant::now();
    let counted = start + Duration::from_secs(args.warmup.into());
    let times = Times {
        start,
        counted,
        end: counted + Duration::from_secs(args.seconds.into()),
    };
    let timeouts = targets
        .iter()
        .map(|target| timeout_of(&target.command, context.connection.timeout));
    let timeout = timeouts.max().unwrap_or_default();
    let load = Arc::new(Load::new(targets, timeout, args.rate, times)?);
    put(&load, concurrency, times).await;
    let window = Instant::now().min(times.end);
    let window = window.saturating_duration_since(counted);
    let mut report = Report::new(args.command.clone(), count, window, load.tally()?);
    report.concurrency = concurrency;
    report.rate = args.rate;
    print(&report, context)
}

/// Connects to all instances. Those that cannot be called are told.
async fn connected(wanted: Wanted<'_>, context: &Context) -> Result<Vec<Target>> {
    let fleet = context.fleet().await?;
    let nodes = targets::instances(&fleet, wanted).await?;
    let mut targets = Vec::new();
    let mut passed = Vec::new();
    for opened in targets::all(&fleet, nodes, wanted).await {
        match opened {
            Ok(target) => targets.push(target),
            Err(none) => passed.push(none),
        }
    }
    if targets.is_empty() {
        return Err(targets::nobody(wanted.command, passed));
    }
    for passed in &passed {
        output::note(&format!("without {}: {}", passed.name, passed.reason()));
    }
    Ok(targets)
}

/// Whether these calls may be made. Asks, if they may do harm.
fn allowed(args: &BenchArgs, targets: &[Target], context: &Context) -> Result<()> {
    let mut commands = targets.iter().map(|target| &target.command);
    let is_queued =
        |command: &CommandDescription| command.delivery.is_some_and(Delivery::is_queued);
    if !args.queue_jobs && commands.clone().any(is_queued) {
        let what = format!("`{}` is queued: each call is a job", args.command);
        return Err(CliError::usage(what)
            .hint("--queue-jobs measures how fast jobs can be queued; all of them will run"));
    }
    if commands.all(|command| command.options.idempotent) {
        return Ok(());
    }
    let question = format!(
        "Call `{}` on {} for {} s? It is not declared idempotent, and these are real calls.",
        args.command,
        some(targets.len() as u64, "instance", "instances"),
        args.seconds + args.warmup
    );
    confirm(&question, context.yes)
}

/// How many calls at once there is room for.
fn concurrency(wanted: usize, instances: usize) -> usize {
    let room = MAX_IN_FLIGHT.saturating_mul(instances);
    if wanted > room {
        output::note(&format!(
            "{room} calls at once instead of {wanted}: there may be {MAX_IN_FLIGHT} on the link to each instance"
        ));
    }
    wanted.min(room)
}

/// Puts the load on the instances until the end, or until Ctrl-C.
async fn put(load: &Arc<Load>, concurrency: usize, times: Times) {
    let mut workers = JoinSet::new();
    for worker in 0..concurrency {
        let load = Arc::clone(load);
        workers.spawn(async move { load.work(worker).await });
    }
    let progress = progress(times);
    let mut drawn = time::interval(DRAWN_EVERY);
    let mut last = (Instant::now(), load.ended());
    let mut interrupted = pin!(signal::ctrl_c());
    loop {
        tokio::select! {
            ended = workers.join_next() => {
                if ended.is_none() {
                    break;
                }
            }
            // Calls that are under way are cancelled.
            _ = &mut interrupted => break,
            _ = drawn.tick() => {
                let now = (Instant::now(), load.ended());
                draw(&progress, times, last, now);
                last = now;
            }
        }
    }
    progress.finish_and_clear();
}

/// A bar on the terminal. It is not drawn if there is none.
fn progress(times: Times) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let length = times.end.saturating_duration_since(times.start);
    let bar = ProgressBar::new(millis(length));
    match ProgressStyle::with_template("{wide_bar} {msg}") {
        Ok(style) => bar.with_style(style),
        // The template is right. If not, the default has no text.
        Err(_) => bar,
    }
}

fn draw(progress: &ProgressBar, times: Times, last: (Instant, u64), now: (Instant, u64)) {
    let seconds = now.0.saturating_duration_since(last.0).as_secs_f64();
    let calls = now.1.saturating_sub(last.1);
    if seconds > 0.0 {
        let per_second = output::count((calls as f64 / seconds).round() as u64);
        let warmup = if now.0 < times.counted {
            " (warmup)"
        } else {
            ""
        };
        progress.set_message(format!("{per_second} calls/s{warmup}"));
    }
    let passed = now.0.saturating_duration_since(times.start);
    progress.set_position(millis(passed));
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn print(report: &Report, context: &Context) -> Result<()> {
    if context.json {
        output::json(report)?;
    } else {
        output::print(&report.text())?;
    }
    if report.calls == 0 {
        return Err(CliError::new("no call has ended in the time that is measured").hint(
            "--seconds measures for longer, and --warmup 0 from the start; if all connections were lost, `mesh nodes` \
             shows whether the instances are there",
        ));
    }
    // Not one answer.
    if report.percentiles.is_none() {
        return Err(CliError::silent(1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_200_calls_on_each_link() {
        assert_eq!(concurrency(64, 1), 64);
        assert_eq!(concurrency(500, 2), 400);
        assert_eq!(concurrency(10, 0), 0);
    }
}
