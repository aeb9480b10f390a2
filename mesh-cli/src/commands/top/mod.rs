//! `mesh top`: watches load, durations and errors by command.

mod cells;
mod keys;
mod live;
mod plain;
mod rates;
mod sample;
mod state;
mod view;

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep_until};

use self::{
    rates::{Before, Totals},
    sample::Sampler,
    state::State,
};
use crate::{completers, connection::duration, context::Context, error::Result, output};

/// The shortest and the longest interval.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Watch load, durations and errors by command
#[derive(Args, Debug)]
#[command(
    after_help = "Columns: calls and errors per second, durations of what has ended in the last interval, calls in
flight, jobs that wait, dead letters, and instances (those that answer of all). A dash is not known.

Keys: arrows or j k select, Enter lists the instances of a command, Esc goes back, s sorts by the next
column, r reverses, / filters by text, p pauses, ? helps, q quits.

Examples:
  mesh top
  mesh top Billing --interval 5s
  mesh top --once                    one plain table, for scripts
  mesh top --json                    a line of JSON in each interval"
)]
pub(crate) struct TopArgs {
    /// Only nodes of this type
    #[arg(value_name = "TYPE", add = completers::node_types())]
    node_type: Option<String>,

    /// How often to ask all nodes: 200ms to 1h
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1s",
        value_parser = interval
    )]
    interval: Duration,

    /// Print one table after the first interval, and end
    #[arg(long)]
    once: bool,
}

/// Watches.
pub(crate) async fn run(args: TopArgs, context: &Context) -> Result<()> {
    let is_live = !args.once && !context.json;
    if is_live {
        live::check_terminal()?;
    }
    let sampler = Sampler::connect(&context.connection, args.node_type).await?;
    if is_live {
        return live::run(sampler, args.interval).await;
    }
    print(sampler, args.interval, args.once, context.json).await
}

/// Prints what was counted in each interval, or in one.
async fn print(mut sampler: Sampler, interval: Duration, once: bool, json: bool) -> Result<()> {
    let mut state = State::new(sampler.mesh());
    let mut next = Instant::now() + interval;
    let mut before = Before::default();
    before.remember(sampler.sample().await);
    loop {
        sleep_until(next).await;
        next = Instant::now() + interval;
        let sample = sampler.sample().await;
        state.rows = before.rows(&sample);
        state.totals = Totals::of(&sample, &state.rows);
        match (json, once) {
            (false, _) => output::print(&plain::table(&state))?,
            (true, true) => output::json(&plain::json(&state, &sample))?,
            (true, false) => output::json_line(&plain::json(&state, &sample))?,
        }
        if once {
            return Ok(());
        }
        before.remember(sample);
    }
}

fn interval(text: &str) -> std::result::Result<Duration, String> {
    let interval = duration(text)?;
    if !(SHORTEST..=LONGEST).contains(&interval) {
        return Err("it must be from 200ms to 1h".to_owned());
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_limits() {
        assert_eq!(interval("1s"), Ok(Duration::from_secs(1)));
        for bad in ["100ms", "2h", "1", ""] {
            assert!(interval(bad).is_err(), "{bad:?}");
        }
    }
}
