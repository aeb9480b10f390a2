//! `mesh drain`: lets a node finish what it does, and end.

use std::time::{Duration, Instant};

use clap::Args;
use indicatif::ProgressBar;
use mesh_runtime::{
    CloseReason,
    operator::{LinkState, Operator, OperatorError, Stats},
};
use serde::Serialize;
use tokio::time::sleep;

use crate::{
    confirm::confirm,
    connection::duration,
    context::Context,
    error::{CliError, Result},
    fleet::{Fleet, full_name},
    output::{self, plain, some},
};

/// How often the node is asked what is left.
const POLL: Duration = Duration::from_millis(250);
/// How often the sign of progress moves.
const TICK: Duration = Duration::from_millis(100);
/// How long the master may take to notice that a node is gone.
const GONE: Duration = Duration::from_secs(2);

/// Lets a node finish what it does, and end.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  mesh drain b1                  asks, drains, and waits until the node has ended
  mesh drain Billing/b1 --yes    without the question
  mesh drain b1 --no-wait        returns as soon as the node has begun

The node takes no new calls, and calls and jobs under way may finish within its grace period. Then its process goes on
as after SIGTERM: in most programs it ends.")]
pub(crate) struct DrainArgs {
    /// The node: INSTANCE or TYPE/INSTANCE
    #[arg(value_name = "INSTANCE", add = crate::completers::instances())]
    instance: String,

    /// Do not wait until the node has ended
    #[arg(long)]
    no_wait: bool,

    /// How long to wait until the node has ended
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "60s",
        conflicts_with = "no_wait"
    )]
    wait: Duration,
}

pub(crate) async fn run(args: DrainArgs, context: &Context) -> Result<()> {
    let fleet = context.fleet().await?;
    let nodes = fleet.nodes().await?;
    let node = fleet.find(&nodes, &args.instance)?;
    let name = plain(&full_name(&node.peer));
    let operator = fleet.open(node).await?;
    let stats = operator.stats().await?;
    output::note(&format!("{name} has {}", under_way(&stats)));
    if is_last(&nodes, node) {
        output::note(&format!(
            "warning: no other node of the type `{}` takes calls",
            node.peer.node_type
        ));
    }
    confirm(&format!("Drain {name}?"), context.yes)?;
    let begun = Instant::now();
    operator.drain().await?;
    if args.no_wait {
        return tell(context, &name, None);
    }
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(TICK);
    progress.set_message(format!("{name} drains: {}", under_way(&stats)));
    let closed = until_closed(&operator, args.wait, &name, &progress).await;
    progress.finish_and_clear();
    match closed {
        Ok(reason) => {
            must_be_gone(&fleet, node, &reason).await?;
            tell(context, &name, Some(begun.elapsed()))
        }
        Err(last) => Err(still_there(&name, args.wait, last.as_ref())),
    }
}

/// The output.
#[derive(Serialize)]
struct Drained<'a> {
    node: &'a str,
    ended: bool,
    took_ms: Option<u128>,
}

fn tell(context: &Context, name: &str, took: Option<Duration>) -> Result<()> {
    if context.json {
        return output::json(&Drained {
            node: name,
            ended: took.is_some(),
            took_ms: took.map(|took| took.as_millis()),
        });
    }
    match took {
        Some(took) => output::print(&format!("{name} has ended after {}", output::span(took))),
        None => output::print(&format!("{name} drains")),
    }
}

/// What a node does, as text.
fn under_way(stats: &Stats) -> String {
    let (mut running, mut waiting) = (0, 0);
    for queue in &stats.queues {
        running = queue.running.saturating_add(running);
        waiting = queue
            .waiting
            .saturating_add(queue.delayed)
            .saturating_add(waiting);
    }
    let mut text = format!(
        "{} and {} under way",
        some(stats.handlers as u64, "handler", "handlers"),
        some(stats.calls as u64, "call of its own", "calls of its own"),
    );
    if !stats.queues.is_empty() {
        text.push_str(&format!(
            "; in its queues {} that run and {} that wait",
            some(running, "job", "jobs"),
            output::count(waiting)
        ));
    }
    text
}

/// Whether a node is the only one of its type that takes calls.
fn is_last(nodes: &[LinkState], node: &LinkState) -> bool {
    let others = Fleet::of_type(nodes, &node.peer.node_type);
    !others
        .iter()
        .any(|other| other.peer != node.peer && !other.draining)
}

/// Waits until the connection closes. After the limit, the error is what the node said last.
async fn until_closed(
    operator: &Operator,
    limit: Duration,
    name: &str,
    progress: &ProgressBar,
) -> std::result::Result<CloseReason, Option<Stats>> {
    let mut last = None;
    let watching = async {
        loop {
            match operator.stats().await {
                Ok(stats) => {
                    progress.set_message(format!("{name} drains: {}", under_way(&stats)));
                    last = Some(stats);
                }
                Err(OperatorError::Lost { reason }) => return reason,
                // It may be too busy to answer. That it has ended is seen all the same.
                Err(_) => {}
            }
            sleep(POLL).await;
        }
    };
    let closed = tokio::select! {
        reason = operator.closed() => Some(reason),
        reason = watching => Some(reason),
        () = sleep(limit) => None,
    };
    closed.ok_or(last)
}

/// A goodbye says that the node has ended. If the connection was lost otherwise, the master must know it no longer.
async fn must_be_gone(fleet: &Fleet, node: &LinkState, reason: &CloseReason) -> Result<()> {
    if matches!(reason, CloseReason::Goodbye(_)) {
        return Ok(());
    }
    let begun = Instant::now();
    while begun.elapsed() < GONE {
        let nodes = fleet.nodes().await?;
        let is_it =
            |other: &LinkState| other.peer == node.peer && other.started_ms == node.started_ms;
        if !nodes.iter().any(is_it) {
            return Ok(());
        }
        sleep(POLL).await;
    }
    Err(CliError::new(format!(
        "the connection with {} was lost, and the master still lists it: {reason}",
        full_name(&node.peer)
    ))
    .hint("`mesh nodes` shows whether it can be reached, and whether it drains"))
}

fn still_there(name: &str, waited: Duration, last: Option<&Stats>) -> CliError {
    let waited = output::span(waited);
    let left = last.map_or(String::new(), |stats| format!(": {}", under_way(stats)));
    CliError::new(format!("{name} has not ended within {waited}{left}")).hint(
        "it goes on draining, for its grace period at most; --wait DURATION waits longer, and `mesh nodes` shows its \
         state",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::tests::node;

    fn stats(stats: serde_json::Value) -> Stats {
        serde_json::from_value(stats).unwrap()
    }

    #[test]
    fn what_is_under_way_is_told_in_words() {
        assert_eq!(
            under_way(&stats(json!({"handlers": 1, "calls": 2}))),
            "1 handler and 2 calls of its own under way"
        );
        let with_queues = stats(json!({"queues": [
            {"command": "export", "running": 2, "waiting": 1_000, "delayed": 3}
        ]}));
        assert_eq!(
            under_way(&with_queues),
            "0 handlers and 0 calls of its own under way; in its queues 2 jobs that run and 1,003 that wait"
        );
        let most =
            json!({"command": "export", "running": u64::MAX, "waiting": u64::MAX, "delayed": 1});
        let text = under_way(&stats(json!({"queues": [most, most]})));
        assert!(
            text.ends_with("18,446,744,073,709,551,615 that wait"),
            "{text}"
        );
    }

    #[test]
    fn the_last_of_its_type_that_takes_calls_is_known() {
        let mut nodes = vec![
            node("Billing", "b1"),
            node("Billing", "b2"),
            node("Stock", "s1"),
        ];
        assert!(!is_last(&nodes, &nodes[0]));
        assert!(is_last(&nodes, &nodes[2]));
        nodes[1].draining = true;
        assert!(is_last(&nodes, &nodes[0]));
    }

    #[test]
    fn a_node_that_has_not_ended_is_an_error_that_says_what_is_left() {
        let last = stats(json!({"handlers": 3}));
        let error = still_there("Billing/b1", Duration::from_secs(60), Some(&last));
        assert_eq!(
            error.what(),
            "Billing/b1 has not ended within 1m: 3 handlers and 0 calls of its own under way"
        );
    }
}
