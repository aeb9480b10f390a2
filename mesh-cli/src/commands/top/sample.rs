//! Asks all nodes what they have counted. Keeps a connection with each.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use mesh_runtime::{
    metrics::Metrics,
    operator::{LinkState, Operator, OperatorError, QueueCounts},
    schema::SchemaDescription,
};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    closest::{closest, listed},
    connection::Connection,
    error::{CliError, Result},
    fleet::{self, Fleet, MAX_DIALLING},
    output::plain,
};

/// How long a node that could not be reached is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What all nodes have counted, at about the same time.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    pub(super) nodes: Vec<NodeSample>,
    /// The master did not answer, so the list of nodes may be old.
    pub(super) master_lost: bool,
}

/// What one node has counted.
#[derive(Debug, Clone)]
pub(super) struct NodeSample {
    pub(super) process: Process,
    pub(super) heard: Heard,
}

/// One start of a node. The next start of the same node is another, which counts from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) node_type: String,
    pub(super) instance: String,
    pub(super) started_ms: u64,
}

/// What was heard of a node.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    /// It could not be reached, or did not answer in time.
    Nothing,
    /// Its version has no metrics.
    NoMetrics { queues: Vec<QueueCounts> },
    /// What it has counted.
    Counted {
        at: Instant,
        metrics: Metrics,
        queues: Vec<QueueCounts>,
    },
}

impl Heard {
    /// When it told its metrics.
    pub(super) fn at(&self) -> Option<Instant> {
        match self {
            Self::Nothing | Self::NoMetrics { .. } => None,
            Self::Counted { at, .. } => Some(*at),
        }
    }

    /// What it has counted.
    pub(super) fn metrics(&self) -> Option<&Metrics> {
        match self {
            Self::Nothing | Self::NoMetrics { .. } => None,
            Self::Counted { metrics, .. } => Some(metrics),
        }
    }

    /// Its queues.
    pub(super) fn queues(&self) -> &[QueueCounts] {
        match self {
            Self::Nothing => &[],
            Self::NoMetrics { queues } | Self::Counted { queues, .. } => queues,
        }
    }
}

/// Asks again and again.
pub(super) struct Sampler {
    connection: Connection,
    fleet: Fleet,
    mesh: String,
    /// Only nodes of this type are asked.
    node_type: Option<String>,
    /// The nodes that the master has listed.
    nodes: Vec<LinkState>,
    open: HashMap<Process, Operator>,
    /// Nodes that are not dialled until then.
    resting: HashMap<Process, Instant>,
}

impl Process {
    fn of(node: &LinkState) -> Self {
        Self {
            node_type: plain(&node.peer.node_type),
            instance: plain(&node.peer.instance),
            started_ms: node.started_ms,
        }
    }
}

impl Sampler {
    /// Connects to the master.
    pub(super) async fn connect(
        connection: &Connection,
        node_type: Option<String>,
    ) -> Result<Self> {
        let fleet = Fleet::connect(connection).await?;
        let description = fleet.describe().await?;
        if let Some(node_type) = &node_type {
            known(node_type, &fleet.nodes().await?, &description.schema)?;
        }
        Ok(Self {
            connection: connection.clone(),
            fleet,
            mesh: plain(&description.schema.mesh),
            node_type,
            nodes: Vec::new(),
            open: HashMap::new(),
            resting: HashMap::new(),
        })
    }

    /// The name of the mesh.
    pub(super) fn mesh(&self) -> &str {
        &self.mesh
    }

    /// Asks all nodes at once. Each has the time for one node.
    pub(super) async fn sample(&mut self) -> Sample {
        let limit = self.fleet.settings().node_timeout;
        let master_lost = !self.list(limit).await;
        let dialling = Semaphore::new(MAX_DIALLING);
        let now = Instant::now();
        let asked = self.nodes.iter().map(|node| {
            let process = Process::of(node);
            let open = self.open.get(&process).cloned();
            let until = self.resting.get(&process);
            let is_resting = until.is_some_and(|until| *until > now);
            let (fleet, dialling) = (&self.fleet, &dialling);
            async move {
                let (operator, heard) = if open.is_none() && is_resting {
                    (None, Heard::Nothing)
                } else {
                    ask(fleet, node, open, dialling, limit).await
                };
                (process, operator, heard)
            }
        });
        let answers = join_all(asked).await;
        let mut nodes = Vec::with_capacity(answers.len());
        for (process, operator, heard) in answers {
            self.remember(&process, operator);
            nodes.push(NodeSample { process, heard });
        }
        Sample { nodes, master_lost }
    }

    /// Lists the nodes anew. `false` if the master does not answer; it is then dialled again.
    async fn list(&mut self, limit: Duration) -> bool {
        let listed = timeout(limit, self.fleet.nodes()).await;
        let Ok(Ok(mut nodes)) = listed else {
            if let Ok(Ok(fleet)) = timeout(limit, Fleet::connect(&self.connection)).await {
                self.fleet = fleet;
            }
            return false;
        };
        if let Some(node_type) = &self.node_type {
            nodes.retain(|node| node.peer.node_type == *node_type);
        }
        let there: HashSet<Process> = nodes.iter().map(Process::of).collect();
        self.open.retain(|process, _| there.contains(process));
        self.resting.retain(|process, _| there.contains(process));
        self.nodes = nodes;
        true
    }

    /// Keeps a connection. A node without one is left alone for a while.
    fn remember(&mut self, process: &Process, operator: Option<Operator>) {
        if let Some(operator) = operator {
            self.resting.remove(process);
            self.open.insert(process.clone(), operator);
            return;
        }
        self.open.remove(process);
        let now = Instant::now();
        let until = self.resting.entry(process.clone()).or_insert(now);
        if *until <= now {
            *until = now + RETRY_AFTER;
        }
    }
}

/// Asks one node, over the connection that is open if it still is. Returns the connection to be kept: if there is none,
/// the node could not be reached.
async fn ask(
    fleet: &Fleet,
    node: &LinkState,
    open: Option<Operator>,
    dialling: &Semaphore,
    limit: Duration,
) -> (Option<Operator>, Heard) {
    if let Some(operator) = open {
        match timeout(limit, counted(&operator)).await {
            Ok(Ok(heard)) => return (Some(operator), heard),
            Ok(Err(OperatorError::Lost { .. })) => {}
            Ok(Err(_)) | Err(_) => return (Some(operator), Heard::Nothing),
        }
    }
    // The semaphore is never closed.
    let permit = dialling.acquire().await;
    let dialled = fleet::dial(fleet.operators(), node, limit).await;
    drop(permit);
    let Ok(operator) = dialled else {
        return (None, Heard::Nothing);
    };
    match timeout(limit, counted(&operator)).await {
        Ok(Ok(heard)) => (Some(operator), heard),
        Ok(Err(_)) | Err(_) => (Some(operator), Heard::Nothing),
    }
}

/// Checks that there is such a node type: in the master's schema, or among the nodes, which may be of a later version.
fn known(node_type: &str, nodes: &[LinkState], schema: &SchemaDescription) -> Result<()> {
    let in_schema = schema.nodes.iter().map(|node| node.name.as_str());
    let running = nodes.iter().map(|node| node.peer.node_type.as_str());
    let names: BTreeSet<&str> = in_schema.chain(running).collect();
    if names.contains(node_type) {
        return Ok(());
    }
    let what = format!("there is no node type `{}`", plain(node_type));
    let names = closest(node_type, names);
    Err(CliError::new(what).hint(format!("there are {}", listed(&names))))
}

/// What a node has counted. The names in it are ready to be printed.
async fn counted(operator: &Operator) -> std::result::Result<Heard, OperatorError> {
    let (metrics, stats) = tokio::join!(operator.metrics(), operator.stats());
    let mut queues = stats?.queues;
    for queue in &mut queues {
        queue.command = plain(&queue.command);
    }
    match metrics {
        Ok(mut metrics) => {
            for command in &mut metrics.commands {
                command.command = plain(&command.command);
            }
            Ok(Heard::Counted {
                at: Instant::now(),
                metrics,
                queues,
            })
        }
        Err(OperatorError::Failed { .. } | OperatorError::Denied { .. }) => {
            Ok(Heard::NoMetrics { queues })
        }
        Err(error) => Err(error),
    }
}
