//! A client for the built-in commands. Needs the feature `operator`.

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
    error::CodecError,
    id::{BootEpoch, InstanceId, NodeId},
    keys::{DerivedKeys, Keys},
    link::{
        calling::CallFailure,
        channel::{Pace, Receiver},
        gate::{self, DialError, Dialling},
        link::{Link, LinkHost, Peer, Role},
    },
    millis,
    schema::{CommandDescription, Delivery, SchemaDescription},
    verdict::Verdicts,
    wire::{
        hello::{FEATURES, Hello, SchemaDigest, Target, role},
        job_options::JobOptions,
        status::FailureCode,
    },
};

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
    pace: Pace,
}

impl OperatorBuilder {
    /// For an operator with the keys of the mesh.
    pub fn new(keys: &Keys) -> Self {
        Self {
            keys: keys.clone(),
            role: role::OPERATOR,
            timeout: DEFAULT_TIMEOUT,
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

    /// Connects to the master at `host:port`.
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
        let (host, port) = split(addr).ok_or_else(|| unreachable("not `host:port`".to_owned()))?;
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
        let dialled = gate::dial(host, port, dialling, move |welcome, channel| {
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
        operator.link.opened().await?;
        Ok(operator)
    }
}

/// `host:port`, where the host may be an IPv6 address in brackets.
fn split(addr: &str) -> Option<(&str, u16)> {
    let (host, port) = addr.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Some((host, port.parse().ok().filter(|port| *port != 0)?))
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
        let Changed { .. } = self.ask(BuiltIn::Drain, &()).await?;
        Ok(())
    }

    /// The queue of a queued command of the node at the other end.
    pub fn queue(&self, command: impl Into<String>) -> OperatorQueue<'_> {
        OperatorQueue {
            operator: self,
            command: command.into(),
        }
    }

    /// Calls a command of the schema on the node at the other end, with arguments as JSON. Returns the answer as JSON: of
    /// a queued command an object with the job's id, of a command without an answer `null`.
    ///
    /// # Errors
    /// [`OperatorError::Json`] if the arguments do not suit the command; [`OperatorError::DeclaredOtherwise`] if the node
    /// declares the command otherwise than `schema`, as after an update; see [`OperatorError`] for the others.
    pub async fn call(
        &self,
        schema: &SchemaDescription,
        command: &CommandDescription,
        args: &str,
    ) -> Result<String, OperatorError> {
        let json = |source| OperatorError::Json {
            command: command.name.clone(),
            source,
        };
        let mut declared = self.declared.iter();
        let known = declared.find(|(id, _)| *id == command.id);
        if known.is_none_or(|(_, fingerprint)| *fingerprint != command.wire_fingerprint) {
            return Err(OperatorError::DeclaredOtherwise {
                command: command.name.clone(),
                node: self.peer().clone(),
            });
        }
        let args = schema.args_from_json(command, args).map_err(json)?;
        match command.delivery {
            Some(Delivery::Balanced | Delivery::Gather) => {
                let answer = self
                    .bytes(&command.name, command.id, args.into(), self.timeout)
                    .await?;
                schema.answer_to_json(command, &answer).map_err(json)
            }
            Some(Delivery::Broadcast) => {
                let deadline = Instant::now() + self.timeout;
                let told = self
                    .link
                    .link
                    .tell(command.id, Bytes::from(args), deadline)
                    .await;
                told.map_err(|failure| self.failed(&command.name, failure, self.timeout))?;
                Ok("null".to_owned())
            }
            Some(Delivery::QueuedBalanced | Delivery::QueuedBroadcast) => {
                let codec = |error: CodecError| OperatorError::Answer {
                    command: command.name.clone(),
                    why: error.to_string(),
                };
                let args = JobOptions::default().in_front_of(&args).map_err(codec)?;
                let answer = self
                    .bytes(&command.name, command.id, args, self.timeout)
                    .await?;
                let queued: crate::call::Queued =
                    crate::wire::codec::decode(&answer).map_err(codec)?;
                Ok(
                    serde_json::json!({ "job": queued.job_id, "instance": queued.instance })
                        .to_string(),
                )
            }
            None => Err(OperatorError::Failed {
                command: command.name.clone(),
                why: "it is delivered in a way that this version does not know".to_owned(),
            }),
        }
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
        let answer = self
            .bytes(command.name(), command.id(), args.into(), timeout)
            .await?;
        serde_json::from_slice(&answer).map_err(broken)
    }

    async fn bytes(
        &self,
        command: &str,
        id: u32,
        args: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, OperatorError> {
        let deadline = Instant::now() + timeout;
        let answer = self.link.link.call(id, args, deadline).await;
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
