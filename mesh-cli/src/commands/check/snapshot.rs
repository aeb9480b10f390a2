//! How a mesh is right now: everything that the findings are made from.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use mesh_runtime::{
    operator::{Health, LinkState, Operator, OperatorError, QueueCounts},
    schema::{NodeDescription, SchemaDescription},
};

use crate::{
    error::{Result, chain},
    fleet::{Fleet, full_name},
    output::now_ms,
};

/// A mesh, looked at twice.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) master: MasterSeen,
    pub(super) nodes: Vec<NodeSeen>,
    /// The types of the nodes that the master listed last: some may have come since the others were asked.
    pub(super) types: HashSet<String>,
    /// How far the two looks are apart.
    pub(super) watched: Duration,
    /// What nodes describe that have another schema than the master, or whose type has several declarations.
    pub(super) described: HashMap<Declared, SchemaDescription>,
}

/// The master.
#[derive(Debug)]
pub(super) struct MasterSeen {
    pub(super) schema: SchemaDescription,
    pub(super) health: Health,
    pub(super) clock: Option<Clock>,
}

/// A node that the master lists.
#[derive(Debug)]
pub(super) struct NodeSeen {
    pub(super) node_type: String,
    pub(super) instance: String,
    /// The master says that it shuts down.
    pub(super) draining: bool,
    /// It was not there at the first look.
    pub(super) new: bool,
    /// What it says, or why it says nothing.
    pub(super) answers: std::result::Result<Answers, String>,
}

/// What a node says about itself.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) health: Health,
    pub(super) clock: Option<Clock>,
    pub(super) links: Vec<LinkState>,
    pub(super) queues: Vec<QueueCounts>,
    /// The same at the first look. Empty if there was none.
    pub(super) queues_before: Vec<QueueCounts>,
}

/// A clock, as compared with that of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) ahead_ms: i64,
    /// How wrong this may be.
    pub(super) give_or_take_ms: i64,
}

/// What nodes of one type have in common that were built from the same declarations: the fingerprint of their schema,
/// and that of the commands of their node type with their types.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Declared {
    pub(super) schema: u64,
    pub(super) node_type: String,
    pub(super) commands: u64,
}

impl Snapshot {
    /// How many commands the schema has.
    pub(super) fn commands(&self) -> usize {
        let nodes = self.master.schema.nodes.iter();
        nodes.map(|node| node.commands.len()).sum()
    }

    /// The nodes that answered, with their answers.
    pub(super) fn answered(&self) -> impl Iterator<Item = (&NodeSeen, &Answers)> {
        let nodes = self.nodes.iter();
        nodes.filter_map(|node| Some((node, node.answers.as_ref().ok()?)))
    }

    /// The node type of a node, by its own schema if that is known.
    pub(super) fn declaration(&self, node: &NodeSeen) -> Option<&NodeDescription> {
        let schema = node.answers.as_ref().map_or(0, |seen| seen.health.schema);
        let mut described = self.described.iter();
        let own = described.find(|(declared, _)| declared.schema == schema);
        let own = own.map_or(&self.master.schema, |(_, described)| described);
        own.node(&node.node_type)
    }
}

impl NodeSeen {
    /// As in `Billing/b1`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.node_type, self.instance)
    }
}

impl Answers {
    /// What was declared where this node was built.
    pub(super) fn declared(&self, node: &NodeSeen) -> Declared {
        Declared {
            schema: self.health.schema,
            node_type: node.node_type.clone(),
            commands: self.health.commands,
        }
    }
}

/// One start of a node: its type, its instance, and when it was started.
type Started = (String, String, u64);

fn started(node: &LinkState) -> Started {
    (
        node.peer.node_type.clone(),
        node.peer.instance.clone(),
        node.started_ms,
    )
}

/// Looks at a mesh, and again after `watch`.
pub(super) async fn take(fleet: &Fleet, watch: Duration) -> Result<Snapshot> {
    let schema = fleet.describe().await?.schema;
    let mut before = HashMap::new();
    for (node, answer) in fleet.each(fleet.nodes().await?, first_look).await {
        before.insert(started(&node), answer.unwrap_or_default());
    }
    tokio::time::sleep(watch).await;
    let (health, clock) = health(&fleet.master).await?;
    let looked = fleet.each(fleet.nodes().await?, second_look).await;
    // Those that ended meanwhile are not wrong.
    let last = fleet.nodes().await?;
    let still: HashSet<Started> = last.iter().map(started).collect();
    let mut nodes = Vec::new();
    let mut listed = Vec::new();
    for (node, answer) in looked {
        let key = started(&node);
        if answer.is_err() && !still.contains(&key) {
            continue;
        }
        let earlier = before.remove(&key);
        nodes.push(NodeSeen {
            node_type: node.peer.node_type.clone(),
            instance: node.peer.instance.clone(),
            draining: node.draining,
            new: earlier.is_none(),
            answers: answer
                .map(|answers| Answers {
                    queues_before: earlier.unwrap_or_default(),
                    ..answers
                })
                .map_err(|error| chain(&error)),
        });
        listed.push(node);
    }
    let mut snapshot = Snapshot {
        master: MasterSeen {
            schema,
            health,
            clock,
        },
        nodes,
        types: last.into_iter().map(|node| node.peer.node_type).collect(),
        watched: watch,
        described: HashMap::new(),
    };
    snapshot.described = describe(fleet, &snapshot, listed).await;
    Ok(snapshot)
}

async fn first_look(operator: Operator) -> std::result::Result<Vec<QueueCounts>, OperatorError> {
    Ok(operator.stats().await?.queues)
}

async fn second_look(operator: Operator) -> std::result::Result<Answers, OperatorError> {
    let (health, clock) = health(&operator).await?;
    Ok(Answers {
        health,
        clock,
        links: operator.links().await?.links,
        queues: operator.stats().await?.queues,
        queues_before: Vec::new(),
    })
}

/// The health of a node or the master, and how its clock goes.
async fn health(
    operator: &Operator,
) -> std::result::Result<(Health, Option<Clock>), OperatorError> {
    let asked_ms = now_ms();
    let asked = Instant::now();
    let health = operator.health().await?;
    let clock = clock(asked_ms, asked.elapsed(), health.now_ms);
    Ok((health, clock))
}

/// Compares a clock with this machine's. The answer is taken to be from the middle of the call. `None` without one.
fn clock(asked_ms: u64, took: Duration, its_ms: u64) -> Option<Clock> {
    if its_ms == 0 {
        return None;
    }
    let half = u64::try_from(took.as_millis()).unwrap_or(u64::MAX) / 2;
    let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let middle = asked_ms.saturating_add(half);
    Some(Clock {
        ahead_ms: signed(its_ms).saturating_sub(signed(middle)),
        give_or_take_ms: signed(half),
    })
}

/// Lets one node of each declaration describe itself that is not the only one. `listed` are the nodes of the snapshot.
async fn describe(
    fleet: &Fleet,
    snapshot: &Snapshot,
    listed: Vec<LinkState>,
) -> HashMap<Declared, SchemaDescription> {
    let several = several(snapshot);
    let mut asked = HashSet::new();
    let mut ask = Vec::new();
    for (node, listed) in snapshot.nodes.iter().zip(listed) {
        let Ok(answers) = &node.answers else {
            continue;
        };
        let declared = answers.declared(node);
        if several.contains(&declared) && asked.insert(declared) {
            ask.push(listed);
        }
    }
    let names: HashMap<String, Declared> = snapshot
        .answered()
        .map(|(node, answers)| (node.name(), answers.declared(node)))
        .collect();
    let describe = |operator: Operator| async move { operator.describe().await };
    let mut described = HashMap::new();
    for (node, answer) in fleet.each(ask, describe).await {
        let declared = names.get(&full_name(&node.peer));
        if let (Some(declared), Ok(description)) = (declared, answer) {
            described.insert(declared.clone(), description.schema);
        }
    }
    described
}

/// The declarations to compare: those of another schema than the master's, and those of a node type with several.
fn several(snapshot: &Snapshot) -> HashSet<Declared> {
    let mut by_type: HashMap<&str, HashSet<Declared>> = HashMap::new();
    let mut several = HashSet::new();
    let mut schemas = HashSet::new();
    for (node, answers) in snapshot.answered() {
        let declared = answers.declared(node);
        let known = declared.schema != 0;
        let differs = declared.schema != snapshot.master.schema.fingerprint;
        // One of each schema is enough.
        if known && differs && schemas.insert(declared.schema) {
            several.insert(declared.clone());
        }
        if known {
            by_type.entry(&node.node_type).or_default().insert(declared);
        }
    }
    for declared in by_type.into_values().filter(|all| all.len() > 1) {
        several.extend(declared);
    }
    several
}

#[cfg(test)]
mod tests {
    use super::{super::findings::example, *};

    #[test]
    fn a_clock_is_compared_with_the_middle_of_the_call() {
        let clock = |its_ms| clock(10_000, Duration::from_millis(40), its_ms);
        let of = |ahead_ms| {
            Some(Clock {
                ahead_ms,
                give_or_take_ms: 20,
            })
        };
        assert_eq!(clock(10_020), of(0));
        assert_eq!(clock(13_020), of(3_000));
        assert_eq!(clock(7_020), of(-3_000));
        assert_eq!(clock(0), None);
        assert!(clock(u64::MAX).is_some());
    }

    #[test]
    fn declarations_are_compared_where_there_are_several() {
        let mut snapshot = example::shop();
        assert!(several(&snapshot).is_empty());
        // Another version of Billing, with other types in the same schema.
        example::answers(&mut snapshot, "b2").health.commands = 99;
        assert_eq!(several(&snapshot).len(), 2);
        // Another schema.
        example::answers(&mut snapshot, "g1").health.schema = 99;
        let several = several(&snapshot);
        assert_eq!(several.len(), 3);
        assert!(several.iter().any(|declared| declared.schema == 99));
    }
}
