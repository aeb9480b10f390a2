//! Asks all nodes what they have counted, again and again.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use mesh_runtime::{
    metrics::Metrics,
    operator::{LinkState, Operator, OperatorError, QueueCounts},
    schema::SchemaDescription,
};
use tokio::time::timeout;

use crate::{
    closest::{closest, listed},
    connection::Connection,
    error::{CliError, Result},
    fleet::{Fleet, Process},
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

/// What was heard of a node.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    /// It could not be reached, or did not answer in time.
    Nothing,
    /// Its version has no metrics, or none that make sense.
    NoMetrics { queues: Vec<QueueCounts> },
    /// What it has counted. There are no queues if it does not tell them in time, as while its engine hangs.
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
    fleet: Fleet,
    mesh: String,
    /// Only nodes of this type are asked.
    node_type: Option<String>,
    /// The nodes that the master has listed.
    nodes: Vec<LinkState>,
    /// Nodes that are not dialled until then.
    resting: HashMap<Process, Instant>,
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
            fleet,
            mesh: plain(&description.schema.mesh),
            node_type,
            nodes: Vec::new(),
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
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let nodes = self.nodes.iter().cloned();
        let (resting, others): (Vec<_>, Vec<_>) =
            nodes.partition(|node| self.resting.contains_key(&Process::of(node)));
        let asked = self.fleet.each(others, |node| counted(node, limit));
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (node, heard) in asked.await {
            let process = Process::of(&node);
            let heard = heard.unwrap_or_else(|_| {
                let until = Instant::now() + RETRY_AFTER;
                self.resting.insert(process.clone(), until);
                Heard::Nothing
            });
            nodes.push(NodeSample { process, heard });
        }
        nodes.extend(resting.iter().map(|node| NodeSample {
            process: Process::of(node),
            heard: Heard::Nothing,
        }));
        nodes.sort_by(|one, other| one.process.cmp(&other.process));
        Sample { nodes, master_lost }
    }

    /// Lists the nodes anew. `false` if the master does not answer; it is then dialled again.
    async fn list(&mut self, limit: Duration) -> bool {
        let listed = timeout(limit, self.fleet.nodes()).await;
        let Ok(Ok(mut nodes)) = listed else {
            // If it does not answer now, it is asked again in the next interval.
            let _ = timeout(limit, self.fleet.reconnect()).await;
            return false;
        };
        if let Some(node_type) = &self.node_type {
            nodes.retain(|node| node.peer.node_type == *node_type);
        }
        let there: HashSet<Process> = nodes.iter().map(Process::of).collect();
        self.resting.retain(|process, _| there.contains(process));
        self.nodes = nodes;
        true
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

/// What a node has counted. Each of its answers has this time. If it is late, the connection stays: only a node that
/// cannot be reached is an error.
async fn counted(operator: Operator, limit: Duration) -> std::result::Result<Heard, OperatorError> {
    let metrics = async {
        let metrics = timeout(limit, operator.metrics()).await;
        // Rates are those between two such moments, so they must not wait for the queues.
        (metrics, Instant::now())
    };
    let stats = timeout(limit, operator.stats());
    let ((metrics, at), stats) = tokio::join!(metrics, stats);
    let queues = match stats {
        Ok(Ok(stats)) => stats.queues,
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    match metrics {
        Ok(Ok(metrics)) => Ok(Heard::Counted {
            at,
            metrics,
            queues,
        }),
        Ok(Err(
            OperatorError::Failed { .. }
            | OperatorError::Denied { .. }
            | OperatorError::Answer { .. },
        )) => Ok(Heard::NoMetrics { queues }),
        Ok(Err(lost @ OperatorError::Lost { .. })) => Err(lost),
        Ok(Err(_)) | Err(_) => Ok(Heard::Nothing),
    }
}
