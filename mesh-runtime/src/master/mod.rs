//! The master: registers nodes, tells each node which others it may dial, and checks which nodes may connect. It
//! carries no calls.

mod core;
mod operated;
mod registry;
mod session;

use std::{
    marker::PhantomData,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::core::{MasterCallbacks, MasterCore, MasterEvent};
pub use registry::NodeInfo;

use crate::{
    access::Mesh,
    discovery::Discovery,
    error::StartError,
    id::NodeId,
    keys::Keys,
    link::{channel::Pace, gate::Gate, heartbeat::Heartbeat},
    node::{
        config::{self, MetricsAddr},
        listen, listen_for_metrics,
    },
    operator::Operated,
    probes::Probes,
    socketio::{Limits, Server},
};

/// How many events may wait for callbacks before further events are dropped.
const BACKLOG: usize = 4096;

/// How long the closing handshakes with all nodes may take.
const CLOSING_HANDSHAKE: Duration = Duration::from_secs(2);

/// How long [`Master::wait_for_nodes`] waits.
const WAIT: Duration = Duration::from_secs(10);

/// Configures and starts a master. Returned by the generated `Shop::master()`.
///
/// Settings that are not set in code are read from the environment: `MESH_PUBLIC_KEY` and `MESH_PRIVATE_KEY`,
/// `MESH_BIND`, `MESH_DISCOVERY_PORT`, `MESH_METRICS`.
#[must_use = "a master does nothing until it is started"]
pub struct MasterBuilder<M: Mesh> {
    keys: Option<Keys>,
    bind: Option<String>,
    discovery_port: Option<u16>,
    discovery: bool,
    metrics: MetricsAddr,
    pace: Pace,
    callbacks: MasterCallbacks,
    mesh: PhantomData<fn() -> M>,
}

impl<M: Mesh> Default for MasterBuilder<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Mesh> MasterBuilder<M> {
    /// Written by the macro.
    #[doc(hidden)]
    pub fn new() -> Self {
        Self {
            keys: None,
            bind: None,
            discovery_port: None,
            discovery: true,
            metrics: MetricsAddr::default(),
            pace: Pace::default(),
            callbacks: MasterCallbacks::default(),
            mesh: PhantomData,
        }
    }

    /// Sets the keys of the mesh, which are the same for all its nodes and masters.
    pub fn keys(mut self, keys: &Keys) -> Self {
        self.keys = Some(keys.clone());
        self
    }

    /// Sets the address that the master listens on: `ip:port`, or `ip` alone. Without a port, or with port 0, a free port
    /// is chosen, and the discovery port announces it. Default `0.0.0.0`, which is all IPv4 interfaces.
    pub fn bind(mut self, addr: impl ToString) -> Self {
        self.bind = Some(addr.to_string());
        self
    }

    /// Sets the discovery port, which tells this master's port to anyone who knows the mesh's public name. It is open
    /// only if no port was set for the master itself. Default 8765; 0 chooses a free port.
    pub fn discovery_port(mut self, port: u16) -> Self {
        self.discovery_port = Some(port);
        self
    }

    /// Opens no discovery port.
    pub fn without_discovery(mut self) -> Self {
        self.discovery = false;
        self
    }

    /// Opens a port for HTTP at `ip:port`: `/metrics` for Prometheus, and the probes `/livez` and `/readyz`. With port 0 it
    /// is any free port, which [`Master::metrics_addr`] tells. There is no authentication. Default: none is opened.
    pub fn metrics(mut self, addr: impl ToString) -> Self {
        self.metrics = MetricsAddr::At(addr.to_string());
        self
    }

    /// Leaves `MESH_METRICS` aside.
    #[cfg(feature = "testing")]
    pub(crate) fn without_metrics_of_environment(mut self) -> Self {
        self.metrics = MetricsAddr::None;
        self
    }

    /// Sets how often an idle connection to a node sends a heartbeat, and after how much silence it is closed.
    /// Default: every 2 s, and 10 s.
    pub fn heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.pace.heartbeat = heartbeat;
        self
    }

    /// Sets a callback for every node that has connected and proven that it holds the keys.
    pub fn on_connected(mut self, call: impl Fn(&NodeId) + Send + Sync + 'static) -> Self {
        self.callbacks.connected = Some(Arc::new(call));
        self
    }

    /// Sets a callback for every node that has registered.
    pub fn on_registered(mut self, call: impl Fn(&NodeInfo) + Send + Sync + 'static) -> Self {
        self.callbacks.registered = Some(Arc::new(call));
        self
    }

    /// Starts the master, which listens when this returns.
    ///
    /// # Errors
    /// If settings are missing or not valid, or if a port cannot be bound.
    pub async fn start(self) -> Result<Master, StartError> {
        config::check_heartbeat(self.pace.heartbeat)?;
        let discovery_port = config::discovery_port(self.discovery_port)?;
        let keys = config::derived(&config::keys(self.keys)?).await?;
        let bind = config::bind(self.bind)?;
        let metrics = config::metrics(self.metrics)?;
        let any_port = bind.port() == 0;
        let listener = listen(bind).await?;
        let addr = listener.local_addr().map_err(|source| StartError::Bind {
            addr: "the listener".into(),
            source,
        })?;
        let discovery = if any_port && self.discovery {
            Some(open_discovery(addr, discovery_port, &keys).await?)
        } else {
            None
        };
        let metrics = listen_for_metrics(metrics).await?;
        let (happened, events) = mpsc::channel(BACKLOG);
        tokio::spawn(call_back(self.callbacks, events));
        let core = MasterCore::new(M::SCHEMA, keys, happened);
        let gate = Gate::new(Arc::clone(&core), self.pace, core.connections.clone());
        let server =
            Server::start(listener, Limits::default(), Arc::new(gate)).map_err(|source| {
                StartError::Bind {
                    addr: addr.to_string(),
                    source,
                }
            })?;
        let end = CancellationToken::new();
        let probes = metrics.map(|listener| {
            let operated = Arc::downgrade(&core) as Weak<dyn Operated>;
            listener.serve(operated, end.clone())
        });
        tracing::info!(mesh = M::SCHEMA.mesh, %addr, "the master listens");
        Ok(Master::run(core, addr, probes, server, discovery, end))
    }
}

async fn open_discovery(
    master: SocketAddr,
    port: u16,
    keys: &Arc<crate::keys::DerivedKeys>,
) -> Result<Discovery, StartError> {
    let addr = SocketAddr::new(master.ip(), port);
    Discovery::bind(addr, Arc::clone(keys), master.port())
        .await
        .map_err(|source| StartError::Bind {
            addr: format!(
                "{addr} (discovery: another master may have it; choose one with discovery_port())"
            ),
            source,
        })
}

async fn call_back(callbacks: MasterCallbacks, mut events: mpsc::Receiver<MasterEvent>) {
    while let Some(happened) = events.recv().await {
        match happened {
            MasterEvent::Connected(node) => callbacks.connected.iter().for_each(|call| call(&node)),
            MasterEvent::Registered(info) => {
                callbacks.registered.iter().for_each(|call| call(&info))
            }
        }
    }
}

/// A running master. Dropping it starts the same shutdown as [`shutdown`](Self::shutdown), without waiting for it. The
/// links between nodes stay open without a master.
pub struct Master {
    core: Arc<MasterCore>,
    addr: SocketAddr,
    metrics: Option<SocketAddr>,
    discovery: Option<SocketAddr>,
    end: CancellationToken,
    ended: CancellationToken,
}

impl Master {
    fn run(
        core: Arc<MasterCore>,
        addr: SocketAddr,
        probes: Option<Probes>,
        server: Server,
        discovery: Option<Discovery>,
        end: CancellationToken,
    ) -> Self {
        let ended = CancellationToken::new();
        let master = Self {
            core: Arc::clone(&core),
            addr,
            metrics: probes.as_ref().map(|probes| probes.addr),
            discovery: discovery.as_ref().map(Discovery::addr),
            end: end.clone(),
            ended: ended.clone(),
        };
        tokio::spawn(async move {
            let _ended = ended.drop_guard();
            end.cancelled().await;
            if let Some(discovery) = discovery {
                discovery.stop().await;
            }
            core.close();
            core.connections.close();
            let _ = tokio::time::timeout(CLOSING_HANDSHAKE, core.connections.wait()).await;
            server.stop().await;
            if let Some(probes) = probes {
                probes.closed().await;
            }
        });
        master
    }

    /// The address that the master listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of the discovery port, if it is open.
    pub fn discovery_addr(&self) -> Option<SocketAddr> {
        self.discovery
    }

    /// The address at which this master serves `/metrics`, `/livez` and `/readyz`, if it does.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// All registered nodes, by node type (in the order of the schema) and instance id.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        self.core.registry().nodes()
    }

    /// Waits until at least this many nodes are registered, for 10 s at most. Returns whether they are. Cancel safe.
    pub async fn wait_for_nodes(&self, nodes: usize) -> bool {
        let mut count = self.core.count();
        let enough = count.wait_for(|count| *count >= nodes);
        matches!(tokio::time::timeout(WAIT, enough).await, Ok(Ok(_)))
    }

    /// Closes the connections to all nodes with a goodbye, and stops listening. Takes a few seconds at most.
    pub async fn shutdown(&self) {
        self.end.cancel();
        self.ended.cancelled().await;
    }

    /// Runs until the process is told to terminate (Ctrl-C or SIGTERM), then shuts down.
    ///
    /// # Errors
    /// If the process cannot listen for signals.
    pub async fn run_until_signal(&self) -> std::io::Result<()> {
        crate::signal::terminated().await?;
        self.shutdown().await;
        Ok(())
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl std::fmt::Debug for Master {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Master")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}
