//! A client for the built-in commands. Needs the feature `operator`.

mod call;
mod engine_queues;
mod error;
mod open_link;
mod queue;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use self::open_link::{Client, OpenLink};
use super::{
    bodies::{Changed, Description, EventList, EventsArgs, Health, LinkState, Links, Stats},
    commands::BuiltIn,
    links::GRANT,
    serve::MAX_WAIT,
};
use crate::{
    address::host_and_port,
    close::{CloseCode, CloseReason},
    discovery,
    error::Refusal,
    id::{BootEpoch, InstanceId, NodeId},
    keys::{DerivedKeys, Keys},
    link::{
        calling::CallFailure,
        channel::{Pace, Receiver},
        gate::{self, DialError, Dialling},
        link::{Link, LinkHost, Peer, Role},
    },
    metrics::Metrics,
    millis,
    schema::{CommandDescription, SchemaDescription},
    verdict::Verdicts,
    wire::{
        frame::CallPayload,
        hello::{FEATURES, Hello, SchemaDigest, Target, role},
        status::FailureCode,
    },
};

pub use call::OperatorCall;
pub use engine_queues::EngineQueues;
pub use error::OperatorError;
pub use queue::OperatorQueue;

/// How long a call waits for its answer, unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest timeout.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// How much longer than the wait itself a call of `events` waits.
const WAIT_MARGIN: Duration = Duration::from_secs(5);

/// Connects to masters and nodes as an operator, or as an observer.
///
/// ```no_run
/// use std::time::Duration;
/// use mesh_runtime::{Keys, operator::{OperatorBuilder, OperatorError}};
///
/// # async fn look() -> Result<(), OperatorError> {
/// let keys = Keys::new("shop", "meshkey1…");
/// let builder = OperatorBuilder::new(&keys).timeout(Duration::from_secs(3));
/// let master = builder.master("127.0.0.1:7000").await?;
/// for node in master.links().await?.links {
///     let node = builder.node(&node).await?;
///     println!("{:?}", node.stats().await?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OperatorBuilder {
    keys: Keys,
    role: u8,
    timeout: Duration,
    discovery_port: u16,
    pace: Pace,
}

impl OperatorBuilder {
    /// For an operator with the keys of the mesh.
    pub fn new(keys: &Keys) -> Self {
        Self {
            keys: keys.clone(),
            role: role::OPERATOR,
            timeout: DEFAULT_TIMEOUT,
            discovery_port: discovery::DEFAULT_PORT,
            pace: Pace::default(),
        }
    }

    /// Connects as an observer instead, who steers nothing, and sees no arguments and no texts of errors.
    #[must_use]
    pub fn observer(mut self) -> Self {
        self.role = role::OBSERVER;
        self
    }

    /// How long a connection may take to open, and a call to be answered. Default 10 s, and 24 h at most.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// The master's discovery port: 1 to 65535. Default 8765.
    #[must_use]
    pub fn discovery_port(mut self, port: u16) -> Self {
        self.discovery_port = port;
        self
    }

    /// Connects to the master at `host:port`, or at `host` alone: the master's port is then asked for at the
    /// [discovery port](Self::discovery_port).
    ///
    /// # Errors
    /// If nobody can be reached there in time, or if the master refuses.
    pub async fn master(&self, addr: impl ToString) -> Result<Operator, OperatorError> {
        self.connect(addr.to_string(), Target::Master).await
    }

    /// Connects to a node that a master has listed, by [`Operator::links`].
    ///
    /// # Errors
    /// If nobody can be reached there in time, or if the node refuses.
    pub async fn node(&self, node: &LinkState) -> Result<Operator, OperatorError> {
        self.node_at(
            &node.addr,
            NodeId::new(node.peer.node_type.as_str(), node.peer.instance.as_str()),
        )
        .await
    }

    /// Connects to the node with this id, which is at `host:port`.
    ///
    /// # Errors
    /// If nobody can be reached there in time, or if the node refuses.
    pub async fn node_at(
        &self,
        addr: impl ToString,
        node: NodeId,
    ) -> Result<Operator, OperatorError> {
        self.connect(addr.to_string(), Target::Node(node)).await
    }

    async fn connect(&self, addr: String, target: Target) -> Result<Operator, OperatorError> {
        let keys = self.keys.derive().await.map_err(OperatorError::Keys)?;
        let connecting = self.open(&keys, &addr, target);
        match tokio::time::timeout(self.timeout, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(OperatorError::Unreachable {
                addr,
                why: format!("no link within {:?}", self.timeout),
            }),
        }
    }

    /// Where to dial. Asks for the port of a master if it is not in the address.
    async fn host_and_port(
        &self,
        keys: &DerivedKeys,
        addr: &str,
        target: &Target,
    ) -> Result<(String, u16), OperatorError> {
        let unreachable = |why: String| OperatorError::Unreachable {
            addr: addr.to_owned(),
            why,
        };
        if addr.is_empty() {
            return Err(unreachable(
                "it has no address at which it can be dialled".to_owned(),
            ));
        }
        let (host, port) = host_and_port(addr).map_err(unreachable)?;
        let port = match (port, target) {
            (Some(port), _) => port,
            (None, Target::Master) => discovery::discover(&host, self.discovery_port, keys)
                .await
                .map_err(|error| {
                    unreachable(format!("discovery port {}: {error}", self.discovery_port))
                })?,
            (None, _) => return Err(unreachable("there is no port in it".to_owned())),
        };
        Ok((host, port))
    }

    async fn open(
        &self,
        keys: &DerivedKeys,
        addr: &str,
        target: Target,
    ) -> Result<Operator, OperatorError> {
        let unreachable = |why: String| OperatorError::Unreachable {
            addr: addr.to_owned(),
            why,
        };
        let (host, port) = self.host_and_port(keys, addr, &target).await?;
        let hello = Hello {
            mesh: String::new(),
            role: self.role,
            node_type: String::new(),
            instance: InstanceId::random(),
            epoch: BootEpoch::now(),
            target,
            schema: SchemaDigest::default(),
            features: FEATURES,
            extensions: Bytes::new(),
        };
        let connections = TaskTracker::new();
        let dialling = Dialling {
            keys,
            hello: &hello,
            pace: self.pace,
            connections: &connections,
        };
        let client = Arc::new(Client::new());
        let host_of_link = Arc::downgrade(&client);
        let peer_addr = addr.to_owned();
        let dialled = gate::dial(&host, port, dialling, move |welcome, channel| {
            let peer = Peer {
                id: NodeId::new(welcome.node_type.as_str(), welcome.instance.clone()),
                epoch: welcome.epoch,
                addr: peer_addr,
                verdicts: Verdicts::allowing(None),
            };
            let host: Weak<dyn LinkHost> = host_of_link;
            let link = Link::new(peer, Role::Dialled, channel, GRANT, host);
            link.confirm();
            let declared = welcome.schema.commands.clone();
            Ok((Arc::clone(&link) as Arc<dyn Receiver>, (link, declared)))
        });
        let (_, (link, declared)) = dialled.await.map_err(|error| match error {
            DialError::Refused { refusal, .. } => OperatorError::Refused {
                addr: addr.to_owned(),
                refusal,
            },
            error => unreachable(error.to_string()),
        })?;
        let operator = Operator {
            link: Arc::new(OpenLink { link, client }),
            declared: declared.into(),
            timeout: self.timeout,
        };
        match operator.link.opened().await {
            Ok(()) => Ok(operator),
            Err(CloseReason::Goodbye(CloseCode::Full)) => Err(OperatorError::Refused {
                addr: addr.to_owned(),
                refusal: Refusal::Full,
            }),
            Err(reason) => Err(unreachable(format!("it closed the link: {reason}"))),
        }
    }
}

/// A connection of an operator or observer with a master or node. Cheap to clone; closes when the last clone is dropped.
///
/// All methods end by the timeout of the [`OperatorBuilder`]. If one is dropped before, the call is cancelled: what it
/// changes is then changed or not.
#[derive(Clone, Debug)]
pub struct Operator {
    link: Arc<OpenLink>,
    /// Id and fingerprint of each command of the other end.
    declared: Arc<[(u32, u64)]>,
    timeout: Duration,
}

impl Operator {
    /// Who is at the other end. The node type of a master is empty.
    pub fn peer(&self) -> &NodeId {
        &self.link.link.peer.id
    }

    /// What the other end is, and its schema with the structures of all types.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn describe(&self) -> Result<Description, OperatorError> {
        self.ask(BuiltIn::Describe, &()).await
    }

    /// What the other end has counted since it was started: calls and jobs, by command. A master has counted nothing.
    ///
    /// # Errors
    /// See [`OperatorError`]. A node of a version before this one has no such command.
    pub async fn metrics(&self) -> Result<Metrics, OperatorError> {
        let metrics: Metrics = self.ask(BuiltIn::Metrics, &()).await?;
        metrics.check().map_err(|why| OperatorError::Answer {
            command: BuiltIn::Metrics.name().to_owned(),
            why: why.to_owned(),
        })?;
        Ok(metrics)
    }

    /// Waits until this connection is closed, and returns why. Cancel safe.
    pub async fn closed(&self) -> CloseReason {
        self.link.closed().await
    }

    /// How much is under way at the other end.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn stats(&self) -> Result<Stats, OperatorError> {
        self.ask(BuiltIn::Stats, &()).await
    }

    /// The links of a node, or the registered nodes of a master.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn links(&self) -> Result<Links, OperatorError> {
        self.ask(BuiltIn::Links, &()).await
    }

    /// What the other end is doing.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn health(&self) -> Result<Health, OperatorError> {
        self.ask(BuiltIn::Health, &()).await
    }

    /// The events after the one with the number `since`, of the last 1,024 there were. If there are none, waits up to
    /// `wait` for the next; more than 30 s count as 30 s.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn events(&self, since: u64, wait: Duration) -> Result<EventList, OperatorError> {
        let wait = wait.min(MAX_WAIT);
        let args = EventsArgs {
            since,
            wait_ms: millis::of(wait),
        };
        let timeout = self.timeout.max(wait + WAIT_MARGIN);
        self.ask_within(BuiltIn::Events, &args, timeout).await
    }

    /// Begins a graceful shutdown of a node, as SIGTERM does. Returns at once; this connection closes when the node has
    /// ended. A master refuses.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn drain(&self) -> Result<(), OperatorError> {
        match self.ask(BuiltIn::Drain, &()).await {
            Ok(Changed { .. }) => Ok(()),
            // A node with nothing to do may end before its answer has left.
            Err(OperatorError::Lost {
                reason: CloseReason::Goodbye(CloseCode::ShuttingDown),
            }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The queue of a queued command of the node at the other end.
    pub fn queue(&self, command: impl Into<String>) -> OperatorQueue<'_> {
        OperatorQueue::of_node(self, command.into())
    }

    /// Calls a command of the schema on the node at the other end, with arguments as JSON, once it is awaited. Returns the
    /// answer as JSON: of a queued command an object with the job's id, of a command without an answer `null`.
    ///
    /// # Errors
    /// [`OperatorError::Json`] if the arguments do not suit the command; [`OperatorError::DeclaredOtherwise`] if the node
    /// declares the command otherwise than `schema`, as after an update; see [`OperatorError`] for the others.
    pub fn call<'a>(
        &'a self,
        schema: &'a SchemaDescription,
        command: &'a CommandDescription,
        args: &'a str,
    ) -> OperatorCall<'a> {
        OperatorCall::new(self, schema, command, args)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        command: BuiltIn,
        args: &impl Serialize,
    ) -> Result<T, OperatorError> {
        self.ask_within(command, args, self.timeout).await
    }

    async fn ask_within<T: DeserializeOwned>(
        &self,
        command: BuiltIn,
        args: &impl Serialize,
        timeout: Duration,
    ) -> Result<T, OperatorError> {
        let broken = |error: serde_json::Error| OperatorError::Answer {
            command: command.name().to_owned(),
            why: error.to_string(),
        };
        let args = serde_json::to_vec(args).map_err(broken)?;
        // No arguments are no bytes.
        let args = if args == b"null" { Vec::new() } else { args };
        let payload = Bytes::from(args).into();
        let answer = self
            .bytes(command.name(), command.id(), payload, timeout)
            .await?;
        serde_json::from_slice(&answer).map_err(broken)
    }

    async fn bytes(
        &self,
        command: &str,
        id: u32,
        payload: CallPayload,
        timeout: Duration,
    ) -> Result<Bytes, OperatorError> {
        let deadline = Instant::now() + timeout;
        let answer = self.link.link.call(id, payload, deadline).await;
        answer.map_err(|failure| self.failed(command, failure, timeout))
    }

    fn failed(&self, command: &str, failure: CallFailure, after: Duration) -> OperatorError {
        let command = command.to_owned();
        match failure {
            CallFailure::Lost { reason, .. } => OperatorError::Lost { reason },
            CallFailure::Late { .. } => OperatorError::DeadlineExceeded { command, after },
            CallFailure::Full { what } => OperatorError::Failed { command, why: what },
            CallFailure::Remote(FailureCode::Denied, _) => OperatorError::Denied { command },
            CallFailure::Remote(FailureCode::DeadlineExceeded, _) => {
                OperatorError::DeadlineExceeded { command, after }
            }
            CallFailure::Remote(code, why) => OperatorError::Failed {
                command,
                why: if why.is_empty() {
                    format!("{code:?}")
                } else {
                    why
                },
            },
            CallFailure::Refused(code, why) => OperatorError::Failed {
                command,
                why: format!("{why} (code {code})"),
            },
        }
    }
}
