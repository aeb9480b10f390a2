//! `mesh links`: the links between nodes, as each end sees them.

use clap::Args;
use mesh_runtime::operator::{LinkState, Member, OperatorError};
use serde::Serialize;

use crate::{
    context::Context,
    error::{Result, chain},
    fleet::{find, full_name},
    output,
};

/// Lists the links between nodes, as each end sees them.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  mesh links              all links; each is there once for each end that reports it
  mesh links b1           those of one node
  mesh links Billing/b1   the same, if other types have an instance b1 as well

Columns:
  from        the end that reports the link
  dialled by  the end that opened it
  in flight   calls from `from` to `to` that wait for their answer")]
pub(crate) struct LinksArgs {
    /// List the links of this node only: INSTANCE or TYPE/INSTANCE
    #[arg(value_name = "INSTANCE", add = crate::completers::instances())]
    instance: Option<String>,
}

pub(crate) async fn run(args: LinksArgs, context: &Context) -> Result<()> {
    let fleet = context.fleet().await?;
    let nodes = fleet.nodes().await?;
    let wanted = match &args.instance {
        Some(name) => Some(find(&nodes, name)?.peer.clone()),
        None => None,
    };
    let asked = fleet.each(nodes, |node| async move {
        let links = node.links().await?;
        Ok(links.links)
    });
    let report = Report::of(&asked.await, wanted.as_ref());
    if context.json {
        return output::json(&report);
    }
    for silent in &report.unreachable {
        output::note(&format!(
            "warning: {} was not asked: {}",
            silent.node, silent.why
        ));
    }
    let header = ["from", "to", "dialled by", "address", "in flight", "state"];
    let cells = report.links.iter().map(Row::cells).collect();
    output::print(&output::table(&header, cells, &[4]))
}

/// The output.
#[derive(Serialize)]
struct Report {
    links: Vec<Row>,
    unreachable: Vec<Silent>,
}

/// A node that said nothing of its links.
#[derive(Serialize)]
struct Silent {
    node: String,
    why: String,
}

/// A link as one end sees it.
#[derive(Serialize)]
struct Row {
    from: String,
    to: String,
    /// Whether `from` has dialled. Not known of a link that an unknown version reports.
    dialled_by: Option<&'static str>,
    addr: String,
    in_flight: usize,
    draining: bool,
    rests_ms: Option<u64>,
    silent: bool,
}

type Answer = (
    LinkState,
    std::result::Result<Vec<LinkState>, OperatorError>,
);

impl Report {
    fn of(answers: &[Answer], wanted: Option<&Member>) -> Self {
        let mut report = Self {
            links: Vec::new(),
            unreachable: Vec::new(),
        };
        for (node, answer) in answers {
            match answer {
                Ok(links) => {
                    let is_wanted = |link: &&LinkState| {
                        wanted.is_none_or(|wanted| *wanted == node.peer || *wanted == link.peer)
                    };
                    let rows = links.iter().filter(is_wanted);
                    report.links.extend(rows.map(|link| Row::of(node, link)));
                }
                Err(error) => report.unreachable.push(Silent {
                    node: full_name(&node.peer),
                    why: chain(error),
                }),
            }
        }
        report
    }
}

impl Row {
    fn of(node: &LinkState, link: &LinkState) -> Self {
        Self {
            from: full_name(&node.peer),
            to: full_name(&link.peer),
            dialled_by: link.dialled.map(|own| if own { "from" } else { "to" }),
            addr: link.addr.clone(),
            in_flight: link.in_flight,
            draining: link.draining,
            rests_ms: link.rests_ms,
            silent: link.silent,
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.from.clone(),
            self.to.clone(),
            self.dialled_by.unwrap_or("-").to_owned(),
            self.addr.clone(),
            output::count(self.in_flight as u64),
            self.state(),
        ]
    }

    fn state(&self) -> String {
        let mut states = Vec::new();
        if self.draining {
            states.push("draining".to_owned());
        }
        match self.rests_ms {
            Some(0) => states.push("rests, the next call decides".to_owned()),
            Some(ms) => states.push(format!("rests {}", output::span_ms(ms))),
            None => {}
        }
        if self.silent {
            states.push("silent".to_owned());
        }
        if states.is_empty() {
            return "ok".to_owned();
        }
        states.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::tests::node;

    fn links() -> Vec<LinkState> {
        let links = json!([
            {
                "peer": {"type": "Billing", "instance": "b1"}, "addr": "h:1", "dialled": true,
                "started_ms": 1, "in_flight": 2
            },
            {
                "peer": {"type": "Billing", "instance": "b2"}, "addr": "h:2", "dialled": false,
                "started_ms": 1, "draining": true, "rests_ms": 3_200, "silent": true
            }
        ]);
        serde_json::from_value(links).unwrap()
    }

    #[test]
    fn each_end_has_its_row() {
        let answers = [(node("Gateway", "g1"), Ok(links()))];
        let report = Report::of(&answers, None);
        assert_eq!(
            report.links[0].cells(),
            ["Gateway/g1", "Billing/b1", "from", "h:1", "2", "ok"]
        );
        assert_eq!(
            report.links[1].cells()[2..],
            ["to", "h:2", "0", "draining, rests 3.2 s, silent"]
        );
    }

    #[test]
    fn links_are_chosen_by_either_end_and_silent_nodes_are_named() {
        let error = OperatorError::Unreachable {
            addr: "h:3".to_owned(),
            why: "refused".to_owned(),
        };
        let answers = [
            (node("Gateway", "g1"), Ok(links())),
            (node("Billing", "b2"), Err(error)),
        ];
        let to = Report::of(&answers, Some(&node("Billing", "b2").peer));
        assert_eq!(to.links.len(), 1);
        let from = Report::of(&answers, Some(&node("Gateway", "g1").peer));
        assert_eq!(from.links.len(), 2);
        let none = Report::of(&answers, Some(&node("Audit", "a1").peer));
        assert_eq!(none.links.len(), 0);
        assert_eq!(none.unreachable[0].node, "Billing/b2");
        assert_eq!(none.unreachable[0].why, "h:3 could not be reached: refused");
    }
}
