//! `mesh jobs` without more: all queues of the mesh.

use mesh_runtime::operator::Operator;
use serde_json::json;

use super::{
    counts::{QueueRow, Reported, merge},
    print,
    reach::{ReachArgs, fleet},
    straight::Straight,
    target::Target,
};
use crate::{
    context::Context,
    error::{CliError, Result},
    fleet::full_name,
    output::{self, count, note, span_ms, table},
};

/// What stands for numbers that nobody can tell.
const UNKNOWN: &str = "-";

pub(super) async fn run(reach: &ReachArgs, context: &Context) -> Result<()> {
    let mut unreached = Vec::new();
    let (reported, straight) = match reach.straight(context).await? {
        Some(straight) => (in_redis(&straight, reach).await?, true),
        None => (at_instances(reach, context, &mut unreached).await?, false),
    };
    let rows = merge(reported);
    if context.json {
        return output::json(&json!({ "queues": rows, "unreached": unreached }));
    }
    for row in &rows {
        for failed in &row.failed {
            note(&format!(
                "warning: {} on {}: the queue engine failed: {}",
                row.command, failed.instance, failed.error
            ));
        }
    }
    if rows.is_empty() {
        return output::print("no queues");
    }
    let header = [
        "command", "waiting", "delayed", "running", "dead", "oldest", "paused", "whose",
    ];
    let rows = rows.iter().map(|row| cells(row, straight)).collect();
    output::print(&table(&header, rows, &[1, 2, 3, 4, 5]))
}

async fn at_instances(
    reach: &ReachArgs,
    context: &Context,
    unreached: &mut Vec<String>,
) -> Result<Vec<Reported>> {
    let fleet = fleet(context).await?;
    let mut nodes = fleet.nodes().await?;
    if let Some(only) = &reach.instance {
        nodes = vec![fleet.find(&nodes, only)?.clone()];
    }
    let listed = nodes.len();
    let ask = |operator: Operator| async move { operator.stats().await };
    let mut reported = Vec::new();
    for (node, answer) in fleet.each(nodes, ask).await {
        match answer {
            Ok(stats) => reported.extend(stats.queues.into_iter().map(|counts| Reported {
                node_type: node.peer.node_type.clone(),
                instance: node.peer.instance.clone(),
                counts,
            })),
            Err(error) => {
                let name = full_name(&node.peer);
                print::failed(&name, &error);
                unreached.push(name);
            }
        }
    }
    if listed > 0 && unreached.len() == listed {
        let error = CliError::unreachable("none of the nodes could be reached");
        return Err(error.hint("durable queues can be looked at without them: --redis"));
    }
    Ok(reported)
}

async fn in_redis(straight: &Straight, reach: &ReachArgs) -> Result<Vec<Reported>> {
    let mut reported = Vec::new();
    for target in Target::all(&straight.schema) {
        let instance = reach.instance_of(&target);
        let counts = straight.queue(&target, instance)?.counts().await?;
        reported.push(Reported {
            node_type: target.node_type,
            instance: instance.unwrap_or_default().to_owned(),
            counts,
        });
    }
    Ok(reported)
}

fn cells(row: &QueueRow, straight: bool) -> Vec<String> {
    // Redis knows the dead letters of all instances, and the queue of the one that was asked for.
    let unknown = straight && !row.shared && row.instance().is_none();
    let number = |number: u64| {
        if unknown {
            UNKNOWN.to_owned()
        } else {
            count(number)
        }
    };
    vec![
        row.command.clone(),
        number(row.waiting),
        number(row.delayed),
        number(row.running),
        count(row.dead),
        row.oldest_ms.map(span_ms).unwrap_or_default(),
        paused(row),
        whose(row, straight),
    ]
}

fn paused(row: &QueueRow) -> String {
    match row.paused.len() {
        0 => String::new(),
        _ if row.shared => "yes".to_owned(),
        all if all == row.instances.len() => "yes".to_owned(),
        some => format!("{some} of {}", row.instances.len()),
    }
}

fn whose(row: &QueueRow, straight: bool) -> String {
    match (row.shared, row.instances.len()) {
        (true, _) if straight => "shared".to_owned(),
        (true, number) => format!("shared by {number}"),
        (false, 1) if straight => match row.instance() {
            Some(instance) => format!("of {instance}"),
            None => "of each instance: --instance ID".to_owned(),
        },
        (false, 1) => "of 1 instance".to_owned(),
        (false, number) => format!("of {number} instances"),
    }
}

impl QueueRow {
    /// The instance that was asked, if it has a name.
    fn instance(&self) -> Option<&str> {
        let first = self.instances.first()?;
        (!first.is_empty()).then_some(first.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(shared: bool, instances: &[&str]) -> QueueRow {
        QueueRow {
            command: "Billing.export".to_owned(),
            waiting: 1,
            delayed: 0,
            running: 2,
            dead: 3,
            oldest_ms: Some(1_000),
            shared,
            instances: instances.iter().map(|id| (*id).to_owned()).collect(),
            paused: Vec::new(),
            failed: Vec::new(),
        }
    }

    #[test]
    fn a_row_says_whose_the_queue_is() {
        assert_eq!(whose(&row(true, &["b1", "b2"]), false), "shared by 2");
        assert_eq!(whose(&row(false, &["b1", "b2"]), false), "of 2 instances");
        assert_eq!(whose(&row(false, &["b1"]), true), "of b1");
        assert_eq!(whose(&row(true, &[""]), true), "shared");
    }

    #[test]
    fn what_redis_does_not_know_is_not_0() {
        let cells = |instance| super::cells(&row(false, &[instance]), true);
        assert_eq!(cells("")[1..5], ["-", "-", "-", "3"]);
        assert_eq!(cells("b1")[1..5], ["1", "0", "2", "3"]);
    }

    #[test]
    fn a_queue_may_be_paused_on_some_instances() {
        let mut some = row(false, &["b1", "b2"]);
        assert_eq!(paused(&some), "");
        some.paused = vec!["b2".to_owned()];
        assert_eq!(paused(&some), "1 of 2");
        some.paused.push("b1".to_owned());
        assert_eq!(paused(&some), "yes");
    }
}
