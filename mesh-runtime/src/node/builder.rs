//! How a node is set up and started.

use std::{
    io::ErrorKind,
    marker::PhantomData,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{net::TcpListener, runtime::Handle, sync::oneshot};

use super::{
    Node, RunningNode,
    config::{self, Config, MasterAddr, MetricsAddr, ReadyCheck, variable},
    core::{NodeCore, Parts},
    events::{EventSender, NodeCallbacks},
    jobs::Jobs,
    registration::{Advertised, FirstAttempt, keep_registered},
};
use crate::{
    access::{Mesh, NodeType},
    address::host_and_port,
    balance::Balance,
    callee::CalleeOptions,
    close::CloseReason,
    error::StartError,
    hook::{Hook, Hooks},
    id::{InstanceId, NodeId},
    keys::Keys,
    link::{gate::Gate, heartbeat::Heartbeat},
    local::{LocalNode, LocalOptions},
    operator::Operated,
    probes,
    queue::{NodeQueues, Queue},
    retry::RetryBudget,
    schema::{CommandSpec, Delivery, Fingerprints, NodeSpec},
    serve::{Dispatcher, Serve},
    socketio::{Limits, Server},
    trace::TracePropagator,
};

/// How long a start waits for the first attempt to register. After that, registering continues in the background.
const FIRST_ATTEMPT: Duration = Duration::from_secs(10);

/// Sets a node up. Made by the generated `X::node(..)`.
///
/// What is not set in code is taken from the environment: `MESH_PUBLIC_KEY` and `MESH_PRIVATE_KEY`, `MESH_MASTER`,
/// `MESH_BIND`, `MESH_ADVERTISE`, `MESH_INSTANCE`, `MESH_DISCOVERY_PORT`, `MESH_REDIS_URL`, `MESH_METRICS`.
#[must_use = "a node does nothing until it is started"]
pub struct NodeBuilder<N: NodeType> {
    serve: Option<Box<dyn Serve>>,
    keys: Option<Keys>,
    master: Option<String>,
    discovery_port: Option<u16>,
    bind: Option<String>,
    advertise: Option<String>,
    metrics: MetricsAddr,
    instance: Option<InstanceId>,
    queue: Option<Arc<dyn Queue>>,
    callbacks: NodeCallbacks,
    hooks: Hooks,
    propagator: Option<Arc<dyn TracePropagator>>,
    config: Config,
    node: PhantomData<fn() -> N>,
}

impl<N: NodeType> NodeBuilder<N> {
    /// Written by the macro.
    #[doc(hidden)]
    pub fn new(serve: impl Serve) -> Self {
        Self {
            serve: Some(Box::new(serve)),
            ..Self::without_handler()
        }
    }

    /// Written by the macro, for a node type without commands.
    #[doc(hidden)]
    pub fn without_handler() -> Self {
        Self {
            serve: None,
            keys: None,
            master: None,
            discovery_port: None,
            bind: None,
            advertise: None,
            metrics: MetricsAddr::default(),
            instance: None,
            queue: None,
            callbacks: NodeCallbacks::default(),
            hooks: Hooks::default(),
            propagator: None,
            config: Config::default(),
            node: PhantomData,
        }
    }

    /// The keys of the mesh: the same for all its nodes and masters.
    pub fn keys(mut self, keys: &Keys) -> Self {
        self.keys = Some(keys.clone());
        self
    }

    /// The address of the master: `host:port`, or a host alone. With a host alone, the master's port is asked for at
    /// the discovery port of that host. Default: discovery on this machine.
    pub fn master(mut self, addr: impl ToString) -> Self {
        self.master = Some(addr.to_string());
        self
    }

    /// The master's discovery port: 1 to 65535. Default 8765.
    pub fn discovery_port(mut self, port: u16) -> Self {
        self.discovery_port = Some(port);
        self
    }

    /// Where this node listens: `ip:port`, or `ip` alone. Without a port, or with port 0, it is any free port. Default
    /// `0.0.0.0`, which is all IPv4 interfaces.
    pub fn bind(mut self, addr: impl ToString) -> Self {
        self.bind = Some(addr.to_string());
        self
    }

    /// The address at which others dial this node, as `host` or `host:port`. Default: the address that this node is
    /// [bound](Self::bind) to if that is a single one, otherwise the host as the master sees it; and the port that this
    /// node listens on. A master on the same machine sees the loopback address, which nodes on other machines cannot
    /// dial. In that case give the machine's name or address.
    pub fn advertise(mut self, addr: impl Into<String>) -> Self {
        self.advertise = Some(addr.into());
        self
    }

    /// Opens a port for HTTP at `ip:port`: `/metrics` for Prometheus, and the probes `/livez` and `/readyz`. With port 0 it
    /// is any free port, which [`Node::metrics_addr`] tells. Default: none is opened.
    ///
    /// Who reaches the port sees names of node types and commands, and counts; there is no authentication. `/livez` answers
    /// 200 while the node runs. `/readyz` answers 200 if the node has been registered, has a link to an instance of each
    /// node type that it dials, is not shutting down, and [`ready_check`](Self::ready_check) passes, and 503 with the
    /// reasons otherwise. A node that has lost the master stays ready: its calls go on.
    pub fn metrics(mut self, addr: impl ToString) -> Self {
        self.metrics = MetricsAddr::At(addr.to_string());
        self
    }

    /// Leaves `MESH_METRICS` aside: for tests, in which many nodes share an environment.
    #[cfg(feature = "testing")]
    pub(crate) fn without_metrics_of_environment(mut self) -> Self {
        if matches!(self.metrics, MetricsAddr::OfEnvironment) {
            self.metrics = MetricsAddr::None;
        }
        self
    }

    /// Sets a check of your own for `/readyz`. It is called for each request, inline, and must not block.
    pub fn ready_check(mut self, check: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.config.ready_check = ReadyCheck(Some(Arc::new(check)));
        self
    }

    /// This node's instance id: 1 to 128 bytes without whitespace or control characters, and unique in its node type. A
    /// node that starts later with the same id replaces the earlier one. Default: random.
    pub fn instance(mut self, instance: impl Into<InstanceId>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// Where this node keeps the jobs of its queued commands. Default: the Redis server at `MESH_REDIS_URL` if that is
    /// set and the node type has queued commands, else a [`MemoryQueue`](crate::queue::MemoryQueue), which is bounded
    /// and lost with the process. Redis needs the feature `redis`; without it, a start that would use Redis fails.
    ///
    /// ```
    /// # use mesh_runtime::{NodeBuilder, NodeType};
    /// # use std::sync::Arc;
    /// use mesh_runtime::queue::MemoryQueue;
    ///
    /// # fn example<Billing: NodeType>(builder: NodeBuilder<Billing>) -> NodeBuilder<Billing> {
    /// builder.queue(Arc::new(MemoryQueue::new().max_jobs(100)))
    /// # }
    /// ```
    pub fn queue(mut self, queue: Arc<dyn Queue>) -> Self {
        self.queue = Some(queue);
        self
    }

    /// How this node spreads its balanced calls. Default: round robin.
    pub fn balance(mut self, balance: Balance) -> Self {
        self.config.balance = balance;
        self
    }

    /// Spreads balanced calls over all linked instances, even over those that call after call failed on or of which
    /// nothing is heard. Without this, such an instance gets no balanced calls for a while: see
    /// [`Event::InstanceRests`](crate::Event::InstanceRests) and [`LinkInfo::silent`](crate::LinkInfo::silent).
    pub fn without_ejection(mut self) -> Self {
        self.config.ejection = false;
        self
    }

    /// How many calls of `#[idempotent]` commands this node tries again although they may have run. Default: 20 % of the
    /// calls to a node type, and 10 each second.
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.config.retry_budget = budget;
        self
    }

    /// Adds a hook, which is told of each call that this node makes or serves, after those that were added before. See
    /// [`Hook`].
    pub fn hook(mut self, hook: impl Hook) -> Self {
        self.hooks.add(hook);
        self
    }

    /// Joins the `tracing` spans of this node to a system of traces. Default: trace contexts are passed on as they come.
    ///
    /// The spans have the target `mesh::call` and the level DEBUG: one for each call, each attempt, each handler and each
    /// attempt of a job, with the field names of OpenTelemetry's conventions.
    pub fn trace_propagator(mut self, propagator: impl TracePropagator) -> Self {
        self.propagator = Some(Arc::new(propagator));
        self
    }

    /// How often an idle connection of this node sends a heartbeat, and after how much silence of the other side it is
    /// closed. Default: every 2 s, and 10 s.
    pub fn heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.config.pace.heartbeat = heartbeat;
        self
    }

    /// How much each side of a link may have outstanding: calls, separately the same number of broadcasts without an
    /// answer, and bytes of payload. Defaults: 16,384 and 64 MiB. Of each limit, a link uses the smaller of the values
    /// that its two nodes have. At least 1 of each, and fewer than 2^61 bytes.
    pub fn budget(mut self, calls: u32, bytes: u64) -> Self {
        self.config.grant.calls = calls;
        self.config.grant.bytes = bytes;
        self
    }

    /// How long a shutdown waits for calls and jobs under way. Default 10 s, at most 24 h.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.config.grace = grace;
        self
    }

    /// Sets a callback that is called whenever the master has registered this node.
    pub fn on_registered(mut self, call: impl Fn() + Send + Sync + 'static) -> Self {
        self.callbacks.registered = Some(Arc::new(call));
        self
    }

    /// Sets a callback that is called whenever a link is up.
    pub fn on_link_up(mut self, call: impl Fn(&NodeId) + Send + Sync + 'static) -> Self {
        self.callbacks.link_up = Some(Arc::new(call));
        self
    }

    /// Sets a callback that is called whenever a link is gone.
    pub fn on_link_down(
        mut self,
        call: impl Fn(&NodeId, &CloseReason) + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.link_down = Some(Arc::new(call));
        self
    }

    /// The handler alone, for the instruction-count benchmarks, which need no server.
    #[cfg(feature = "bench")]
    pub(crate) fn into_serve(self) -> Option<Box<dyn Serve>> {
        self.serve
    }

    /// Listens, and registers with the master. Returns `Ok` once the master has registered this node. Also returns `Ok`
    /// if the master cannot be reached yet: the node then keeps trying and logs each failure, and [`Node::registered`]
    /// waits for the registration.
    ///
    /// # Errors
    /// If a setting is missing or invalid, if the port cannot be bound, or if the master refuses this node.
    pub async fn start(self) -> Result<Node<N>, StartError> {
        self.config.check()?;
        let discovery_port = config::discovery_port(self.discovery_port)?;
        let master = match self.master.or_else(|| variable("MESH_MASTER")) {
            Some(addr) => MasterAddr::parse(&addr, discovery_port)?,
            None => MasterAddr::local(discovery_port)?,
        };
        let advertised = self.advertise.or_else(|| variable("MESH_ADVERTISE"));
        let (host, port) = advertised
            .as_deref()
            .map(advertised_addr)
            .transpose()?
            .unzip();
        let (instance, chosen) = config::instance(self.instance)?;
        let id = NodeId::new(N::NAME, instance.clone());
        let keys = config::derived(&config::keys(self.keys)?).await?;
        let schema = <N::Mesh as Mesh>::SCHEMA;
        let fingerprints = Fingerprints::known_to(schema, N::NAME).await;
        let metrics = config::metrics(self.metrics)?;
        let listener = listen(config::bind(self.bind)?).await?;
        let metrics = listen_for_metrics(metrics).await?;
        let queue = match self.queue {
            Some(queue) => queue,
            None => config::queue(N::SPEC).await?,
        };
        if queue.is_durable() && !chosen {
            warn_of_orphans(N::SPEC);
        }
        let queues = NodeQueues::new(
            queue,
            Arc::clone(&keys),
            schema.mesh,
            id.clone(),
            fingerprints.of(N::NAME),
        );
        let events = EventSender::new();
        let options = LocalOptions {
            balance: self.config.balance,
            callees: CalleeOptions {
                ejection: self.config.ejection,
                retry_budget: self.config.retry_budget,
                observer: Arc::new(events.clone()),
                runtime: Handle::current(),
            },
            hooks: self.hooks,
            propagator: self.propagator,
        };
        let local = Arc::new(LocalNode::new(id, schema, options));
        let dispatcher = Dispatcher::new(Arc::clone(&local), N::SPEC, self.serve, &queues);
        let core = NodeCore::new(Parts {
            local,
            schema,
            fingerprints,
            config: self.config,
            keys,
            dispatcher,
            queues,
            events,
        });
        if !self.callbacks.is_empty() {
            tokio::spawn(self.callbacks.run(core.events.listen()));
        }
        let gate = Gate::new(
            Arc::clone(&core),
            core.config.pace,
            core.connections.clone(),
        );
        let server = Server::start(listener, Limits::default(), Arc::new(gate));
        let server = server.map_err(|source| StartError::Bind {
            addr: "the listener".into(),
            source,
        })?;
        let addr = server.addr();
        let jobs = Jobs::start(&core);
        let advertised = Advertised {
            host: host.or_else(|| concrete(addr.ip())),
            port: port.flatten().unwrap_or_else(|| addr.port()),
        };
        let (first, outcome) = oneshot::channel();
        let registration = tokio::spawn(keep_registered(
            Arc::clone(&core),
            master,
            advertised,
            first,
        ));
        let probes = metrics.map(|listener| {
            let operated = Arc::downgrade(&core) as Weak<dyn Operated>;
            listener.serve(operated, core.local.closed.clone())
        });
        let running = RunningNode::start(core, addr, probes, server, jobs, registration);
        let node = Node::new(running);
        match tokio::time::timeout(FIRST_ATTEMPT, outcome).await {
            Ok(Ok(FirstAttempt::Refused { addr, refusal })) => {
                let id = node.id().clone();
                node.shutdown().await;
                Err(StartError::Refused {
                    addr,
                    node: id,
                    refusal,
                })
            }
            Ok(Ok(FirstAttempt::Registered | FirstAttempt::Unreachable) | Err(_)) | Err(_) => {
                Ok(node)
            }
        }
    }
}

fn advertised_addr(text: &str) -> Result<(String, Option<u16>), StartError> {
    host_and_port(text).map_err(|problem| StartError::Config {
        setting: "advertise() or MESH_ADVERTISE",
        problem,
    })
}

/// Opens the listener for metrics and probes, if there is to be one.
pub(crate) async fn listen_for_metrics(
    addr: Option<SocketAddr>,
) -> Result<Option<probes::Listener>, StartError> {
    let Some(addr) = addr else {
        return Ok(None);
    };
    let listener = probes::Listener::bind(addr).await;
    listener.map(Some).map_err(|source| StartError::Bind {
        addr: format!(
            "{addr} (for metrics: another process, or another node of this one, may have it; see metrics() or \
             MESH_METRICS)"
        ),
        source,
    })
}

/// Opens a listener.
pub(crate) async fn listen(addr: SocketAddr) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind(addr).await;
    listener.map_err(|source| StartError::Bind {
        addr: format!("{addr}{}", bind_hint(source.kind())),
        source,
    })
}

fn bind_hint(error: ErrorKind) -> &'static str {
    match error {
        ErrorKind::AddrInUse => {
            " (another process has it: end that one, or choose another port with bind() or MESH_BIND; 0 is any free one)"
        }
        ErrorKind::AddrNotAvailable => {
            " (this machine has no such address: see bind() or MESH_BIND)"
        }
        _ => "",
    }
}

/// The host of an address that others can dial, if it is a single one.
fn concrete(ip: IpAddr) -> Option<String> {
    (!ip.is_unspecified()).then(|| ip.to_string())
}

/// Warns if the node type has a `queued broadcast` command: its jobs belong to one instance, and a random instance id
/// is a different one after a restart.
fn warn_of_orphans(spec: &NodeSpec) {
    let mine = |command: &&CommandSpec| command.delivery == Delivery::QueuedBroadcast;
    if let Some(command) = spec.commands.iter().find(mine) {
        tracing::warn!(
            node_type = spec.name,
            command = command.name,
            "the instance id is random: jobs that this instance leaves behind are orphans after each restart; choose \
             an id with instance() or MESH_INSTANCE"
        );
    }
}
