//! The nodes of a running mesh: listed by its master, found by name, and asked together.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use mesh_runtime::operator::{
    Description, LinkState, Member, Operator, OperatorBuilder, OperatorError,
};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    closest::{closest, listed},
    connection::{Connection, Settings},
    error::{CliError, Result},
    output::span,
};

/// How many nodes are dialled at once.
pub(crate) const MAX_DIALLING: usize = 64;

/// How many connections with nodes are kept for the next question.
const MAX_KEPT: usize = 512;

/// A connection with the master, and the way to its nodes.
pub(crate) struct Fleet {
    pub(crate) master: Operator,
    operators: OperatorBuilder,
    settings: Settings,
    /// The connections with the nodes that were asked before.
    kept: Mutex<HashMap<Process, Operator>>,
}

/// One start of a node. The next start of the same node is another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Process {
    pub(crate) node_type: String,
    pub(crate) instance: String,
    pub(crate) addr: String,
    pub(crate) started_ms: u64,
}

impl Process {
    pub(crate) fn of(node: &LinkState) -> Self {
        Self {
            node_type: node.peer.node_type.clone(),
            instance: node.peer.instance.clone(),
            addr: node.addr.clone(),
            started_ms: node.started_ms,
        }
    }
}

impl Fleet {
    /// Connects to the master.
    pub(crate) async fn connect(connection: &Connection) -> Result<Self> {
        let settings = connection.settings()?;
        let operators = settings.operators(&connection.keys()?);
        let master = operators.master(&settings.master).await?;
        Ok(Self {
            master,
            operators,
            settings,
            kept: Mutex::default(),
        })
    }

    /// Connects to the master anew. The connections with nodes stay.
    pub(crate) async fn reconnect(&mut self) -> Result<()> {
        self.master = self.operators.master(&self.settings.master).await?;
        Ok(())
    }

    /// The settings that this was connected with.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What connects to nodes.
    pub(crate) fn operators(&self) -> &OperatorBuilder {
        &self.operators
    }

    /// The nodes that the master lists, by type and instance.
    pub(crate) async fn nodes(&self) -> Result<Vec<LinkState>> {
        let mut nodes = self.master.links().await?.links;
        nodes.sort_by(|one, other| {
            let one = (&one.peer.node_type, &one.peer.instance);
            one.cmp(&(&other.peer.node_type, &other.peer.instance))
        });
        let there: HashSet<Process> = nodes.iter().map(Process::of).collect();
        self.lock_kept()
            .retain(|process, _| there.contains(process));
        Ok(nodes)
    }

    /// What the master is, and its schema.
    pub(crate) async fn describe(&self) -> Result<Description> {
        Ok(self.master.describe().await?)
    }

    /// Asks all nodes at once. One that cannot be reached within the time for one node is an error of its own and
    /// delays nothing. The answers are in the order of `nodes`. What is asked must change nothing: a node whose
    /// connection is lost meanwhile is asked again over another.
    pub(crate) async fn each<T, F, Fut>(
        &self,
        nodes: Vec<LinkState>,
        ask: F,
    ) -> Vec<(LinkState, std::result::Result<T, OperatorError>)>
    where
        F: Fn(Operator) -> Fut,
        Fut: Future<Output = std::result::Result<T, OperatorError>>,
    {
        self.each_within(self.settings.node_timeout, nodes, ask)
            .await
    }

    /// The same with another limit to reach a node.
    pub(crate) async fn each_within<T, F, Fut>(
        &self,
        limit: Duration,
        nodes: Vec<LinkState>,
        ask: F,
    ) -> Vec<(LinkState, std::result::Result<T, OperatorError>)>
    where
        F: Fn(Operator) -> Fut,
        Fut: Future<Output = std::result::Result<T, OperatorError>>,
    {
        let dialling = &Semaphore::new(MAX_DIALLING);
        let ask = &ask;
        let asked = nodes.into_iter().map(|node| async move {
            let answer = self.ask(&node, limit, dialling, ask).await;
            (node, answer)
        });
        join_all(asked).await
    }

    /// Connects to one node.
    pub(crate) async fn open(&self, node: &LinkState) -> Result<Operator> {
        let dialled = dial(&self.operators, node, self.settings.timeout).await;
        dialled.map_err(|error| CliError::of_node(&full_name(&node.peer), error))
    }

    /// The same as [`find`].
    pub(crate) fn find<'a>(&self, nodes: &'a [LinkState], name: &str) -> Result<&'a LinkState> {
        find(nodes, name)
    }

    /// The nodes of a type.
    pub(crate) fn of_type(nodes: &[LinkState], node_type: &str) -> Vec<LinkState> {
        let nodes = nodes.iter();
        nodes
            .filter(|node| node.peer.node_type == node_type)
            .cloned()
            .collect()
    }

    /// Asks a node over the connection that was kept, unless that is lost. Else over a new one.
    async fn ask<T, F, Fut>(
        &self,
        node: &LinkState,
        limit: Duration,
        dialling: &Semaphore,
        ask: &F,
    ) -> std::result::Result<T, OperatorError>
    where
        F: Fn(Operator) -> Fut,
        Fut: Future<Output = std::result::Result<T, OperatorError>>,
    {
        let process = Process::of(node);
        let kept = self.lock_kept().get(&process).cloned();
        if let Some(kept) = kept {
            match ask(kept).await {
                Err(OperatorError::Lost { .. }) => self.forget(&process),
                answered => return answered,
            }
        }
        // The semaphore is never closed.
        let permit = dialling.acquire().await;
        let dialled = dial(&self.operators, node, limit).await;
        drop(permit);
        let operator = dialled?;
        self.keep(process, &operator);
        ask(operator).await
    }

    fn keep(&self, process: Process, operator: &Operator) {
        let mut kept = self.lock_kept();
        if kept.len() < MAX_KEPT {
            kept.insert(process, operator.clone());
        }
    }

    fn forget(&self, process: &Process) {
        self.lock_kept().remove(process);
    }

    fn lock_kept(&self) -> MutexGuard<'_, HashMap<Process, Operator>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects to a node that the master lists, within a limit.
pub(crate) async fn dial(
    operators: &OperatorBuilder,
    node: &LinkState,
    limit: Duration,
) -> std::result::Result<Operator, OperatorError> {
    if node.addr.is_empty() {
        return Err(OperatorError::Unreachable {
            addr: full_name(&node.peer),
            why: "it has told the master no address at which it can be dialled".to_owned(),
        });
    }
    match timeout(limit, operators.node(node)).await {
        Ok(reached) => reached,
        Err(_) => Err(silent(node, limit)),
    }
}

fn silent(node: &LinkState, limit: Duration) -> OperatorError {
    OperatorError::Unreachable {
        addr: node.addr.clone(),
        why: format!("no answer within {}", span(limit)),
    }
}

/// The name of a node as `Billing/b1`.
pub(crate) fn full_name(member: &Member) -> String {
    format!("{}/{}", member.node_type, member.instance)
}

/// The node that is called `name`: `Type/instance`, or the instance alone if only one node has it.
pub(crate) fn find<'a>(nodes: &'a [LinkState], name: &str) -> Result<&'a LinkState> {
    let names: Vec<String> = nodes.iter().map(|node| full_name(&node.peer)).collect();
    if let Some(position) = names.iter().position(|full| full == name) {
        return Ok(&nodes[position]);
    }
    let with_instance = nodes.iter().filter(|node| node.peer.instance == name);
    let meant: Vec<&LinkState> = with_instance.collect();
    match &meant[..] {
        [node] => Ok(*node),
        [] if nodes.is_empty() => Err(CliError::new(format!(
            "there is no node `{name}`: the master lists none at all"
        ))),
        [] => Err(
            CliError::new(format!("there is no node `{name}`")).hint(format!(
                "there are {}",
                listed(&most_similar(nodes, &names, name))
            )),
        ),
        several => {
            let several: Vec<String> = several.iter().map(|node| full_name(&node.peer)).collect();
            let several: Vec<&str> = several.iter().map(String::as_str).collect();
            Err(CliError::new(format!(
                "`{name}` is the instance of {} nodes",
                several.len()
            ))
            .hint(format!("give its node type as well: {}", listed(&several))))
        }
    }
}

/// The full names, the most similar one first: to a full name, or to an instance alone.
fn most_similar<'a>(nodes: &'a [LinkState], names: &'a [String], name: &str) -> Vec<&'a str> {
    if name.contains('/') {
        return closest(name, names.iter().map(String::as_str));
    }
    let mut by_instance: HashMap<&str, Vec<&str>> = HashMap::new();
    for (node, full) in nodes.iter().zip(names) {
        let instance = node.peer.instance.as_str();
        by_instance.entry(instance).or_default().push(full);
    }
    let instances = closest(name, by_instance.keys().copied());
    instances
        .into_iter()
        .filter_map(|instance| by_instance.get(instance))
        .flatten()
        .copied()
        .collect()
}

/// What the tests of the commands are made from.
#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A node as a master lists it.
    pub(crate) fn node(node_type: &str, instance: &str) -> LinkState {
        let node = json!({
            "peer": {"type": node_type, "instance": instance},
            "addr": "127.0.0.1:1", "dialled": null, "started_ms": 1_000
        });
        serde_json::from_value(node).unwrap()
    }

    fn found(name: &str) -> String {
        let nodes = [
            node("Billing", "b1"),
            node("Billing", "main"),
            node("Stock", "main"),
        ];
        match find(&nodes, name) {
            Ok(node) => full_name(&node.peer),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_node_is_found_by_its_full_name_or_by_an_instance_that_is_unique() {
        assert_eq!(found("b1"), "Billing/b1");
        assert_eq!(found("Billing/b1"), "Billing/b1");
        assert_eq!(found("Stock/main"), "Stock/main");
    }

    #[test]
    fn a_name_that_fits_no_node_or_several_is_an_error_with_names() {
        assert!(found("main").contains("is the instance of 2 nodes"));
        assert!(found("main").contains("Billing/main, Stock/main"));
        assert!(found("b2").contains("there are Billing/b1, "));
        assert!(found("Stock/mian").contains("there are Stock/main, "));
        let none = find(&[], "b1").unwrap_err();
        assert!(none.what().contains("lists none at all"));
    }

    #[test]
    fn nodes_are_chosen_by_type() {
        let nodes = [node("Billing", "b1"), node("Stock", "s1")];
        let stock = Fleet::of_type(&nodes, "Stock");
        assert_eq!(stock.len(), 1);
        assert_eq!(stock[0].peer.instance, "s1");
        assert!(Fleet::of_type(&nodes, "Audit").is_empty());
    }
}
