//! `mesh events`: what has happened, and what happens.

mod follow;
mod line;

use std::time::Duration;

use clap::Args;
use mesh_runtime::operator::{EventList, LinkState, Member, OperatorError};

use self::{
    follow::{Positions, follow},
    line::Line,
};
use crate::{
    context::Context,
    error::{CliError, Result, chain},
    fleet::{Fleet, find, full_name},
    output,
};

/// What the master is called in the output, and as an argument.
const MASTER: &str = "master";

/// Shows what has happened, and what happens.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  mesh events                      the last 100 events of the master and all nodes
  mesh events --since 10m          those of the last ten minutes
  mesh events b1 --follow          those of one node, and then each new one until Ctrl-C
  mesh events master --json        those of the master, for programs

Each process keeps its last 1,024 events. Times are by the clock of the process that tells the event, in UTC.
With --follow, lines with `lost` and `back` say when a connection to a node ends or is there again.")]
pub(crate) struct EventsArgs {
    /// Show those of this node only: INSTANCE, TYPE/INSTANCE or `master`
    #[arg(value_name = "INSTANCE", add = crate::completers::instances())]
    instance: Option<String>,

    /// Go on with each new event, until Ctrl-C
    #[arg(long, short = 'f')]
    follow: bool,

    /// Leave out what is older, as 30s, 10m or 2h
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    since: Option<Duration>,

    /// Show at most so many events of the past, the latest
    #[arg(long, value_name = "N", default_value_t = 100)]
    max: usize,
}

pub(crate) async fn run(args: EventsArgs, context: &Context) -> Result<()> {
    if !args.follow {
        return show(args, context).await;
    }
    // Ctrl-C is the end of it from the beginning on, also while the past is shown.
    tokio::select! {
        biased;
        heard = tokio::signal::ctrl_c() => heard.map_err(CliError::from),
        shown = show(args, context) => shown,
    }
}

async fn show(args: EventsArgs, context: &Context) -> Result<()> {
    let began_ms = output::now_ms();
    let since_ms = args.since.map(|since| before(began_ms, since));
    let fleet = context.fleet().await?;
    let nodes = fleet.nodes().await?;
    let wanted = Wanted::of(&nodes, args.instance.as_deref())?;
    let past = Past::of(&fleet, wanted.among(nodes), wanted.master()).await?;
    let lines = past.latest(since_ms.unwrap_or(0), args.max);
    if !args.follow {
        past.tell_missing();
    }
    if context.json && !args.follow {
        return output::json(&lines);
    }
    for line in &lines {
        line.print(context.json)?;
    }
    if args.follow {
        let from_ms = since_ms.unwrap_or(began_ms);
        return follow(fleet, context, wanted, past.positions(), from_ms).await;
    }
    Ok(())
}

/// So long before a time in milliseconds.
fn before(ms: u64, duration: Duration) -> u64 {
    let duration = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    ms.saturating_sub(duration)
}

/// Whose events are shown.
enum Wanted {
    All,
    Master,
    Node(Member),
}

impl Wanted {
    fn of(nodes: &[LinkState], name: Option<&str>) -> Result<Self> {
        Ok(match name {
            None => Self::All,
            Some(MASTER) => Self::Master,
            Some(name) => Self::Node(find(nodes, name)?.peer.clone()),
        })
    }

    /// Whether those of the master are wanted.
    fn master(&self) -> bool {
        matches!(self, Self::All | Self::Master)
    }

    /// The nodes whose events are wanted.
    fn among(&self, nodes: Vec<LinkState>) -> Vec<LinkState> {
        match self {
            Self::All => nodes,
            Self::Master => Vec::new(),
            Self::Node(wanted) => nodes
                .into_iter()
                .filter(|node| node.peer == *wanted)
                .collect(),
        }
    }
}

/// The events that there are already.
struct Past {
    /// By their sources.
    lists: Vec<(String, EventList)>,
    /// The nodes that did not tell theirs, and why.
    missing: Vec<(String, String)>,
}

impl Past {
    async fn of(fleet: &Fleet, nodes: Vec<LinkState>, with_master: bool) -> Result<Self> {
        let of_master = async {
            if with_master {
                fleet.master.events(0, Duration::ZERO).await.map(Some)
            } else {
                Ok(None)
            }
        };
        let of_nodes = fleet.each(
            nodes,
            |node| async move { node.events(0, Duration::ZERO).await },
        );
        let (of_master, of_nodes) = tokio::join!(of_master, of_nodes);
        Ok(Self::from_answers(of_master?, of_nodes))
    }

    fn from_answers(
        of_master: Option<EventList>,
        of_nodes: Vec<(LinkState, std::result::Result<EventList, OperatorError>)>,
    ) -> Self {
        let mut past = Self {
            lists: Vec::new(),
            missing: Vec::new(),
        };
        past.lists
            .extend(of_master.map(|list| (MASTER.to_owned(), list)));
        for (node, list) in of_nodes {
            let name = full_name(&node.peer);
            match list {
                Ok(list) => past.lists.push((name, list)),
                Err(error) => past.missing.push((name, chain(&error))),
            }
        }
        past
    }

    /// The latest events of all sources together, from a time on, by time.
    fn latest(&self, from_ms: u64, max: usize) -> Vec<Line> {
        let mut numbered = Vec::new();
        for (source, list) in &self.lists {
            let events = list.events.iter().filter(|event| event.at_ms >= from_ms);
            numbered.extend(events.map(|event| (event.number, Line::of(source, event))));
        }
        numbered.sort_by(|(number, line), (other_number, other)| {
            let key = (line.at_ms, &line.source, number);
            key.cmp(&(other.at_ms, &other.source, other_number))
        });
        let superfluous = numbered.len().saturating_sub(max);
        let latest = numbered.into_iter().skip(superfluous);
        latest.map(|(_, line)| line).collect()
    }

    fn tell_missing(&self) {
        for (node, why) in &self.missing {
            output::note(&format!("warning: {node} was not asked: {why}"));
        }
    }

    /// How far the events of each source are known.
    fn positions(&self) -> Positions {
        let known = self.lists.iter();
        known
            .map(|(source, list)| (source.clone(), list.into()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::tests::node;

    fn list(times: &[u64]) -> EventList {
        let events: Vec<_> = times
            .iter()
            .zip(1..)
            .map(|(at_ms, number)| json!({"number": number, "at_ms": at_ms, "kind": "registered"}))
            .collect();
        let list = json!({"events": events, "last": times.len(), "started_ms": 1});
        serde_json::from_value(list).unwrap()
    }

    fn past() -> Past {
        let answers = vec![
            (node("Billing", "b1"), Ok(list(&[10, 40]))),
            (
                node("Billing", "b2"),
                Err(OperatorError::Unreachable {
                    addr: "h:1".to_owned(),
                    why: "refused".to_owned(),
                }),
            ),
        ];
        Past::from_answers(Some(list(&[20, 20, 30])), answers)
    }

    #[test]
    fn events_of_all_sources_are_merged_by_time() {
        let merged: Vec<(u64, String)> = past()
            .latest(0, 100)
            .into_iter()
            .map(|line| (line.at_ms, line.source))
            .collect();
        let expected = [
            (10_u64, "Billing/b1"),
            (20, MASTER),
            (20, MASTER),
            (30, MASTER),
            (40, "Billing/b1"),
        ];
        assert_eq!(
            merged,
            expected.map(|(at_ms, source)| (at_ms, source.to_owned()))
        );
    }

    #[test]
    fn the_latest_are_shown_and_the_old_are_not() {
        let times = |from_ms: u64, max: usize| -> Vec<u64> {
            let latest = past().latest(from_ms, max).into_iter();
            latest.map(|line| line.at_ms).collect()
        };
        assert_eq!(times(0, 2), [30, 40]);
        assert_eq!(times(30, 100), [30, 40]);
        assert!(times(0, 0).is_empty());
        assert_eq!(before(5_000, Duration::from_secs(2)), 3_000);
        assert_eq!(before(5_000, Duration::MAX), 0);
    }

    #[test]
    fn a_node_that_cannot_be_asked_is_named() {
        let past = past();
        assert_eq!(past.missing[0].0, "Billing/b2");
        assert_eq!(past.positions().len(), 2);
    }
}
