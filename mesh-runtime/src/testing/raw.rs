//! A peer that performs each step of the protocol by hand, for tests of what happens if a peer breaks the rules.
//!
//! ```no_run
//! # use mesh_runtime::{Keys, Refusal, testing::raw::{Claim, RawError, RawPeer}};
//! # async fn example(addr: std::net::SocketAddr, keys: &Keys) -> Result<(), RawError> {
//! let refused = RawPeer::dial(addr, keys, &Claim::to_master("Shop", "Stranger", "s1")).await;
//! assert!(matches!(refused, Err(RawError::Refused(Refusal::UnknownNodeType))));
//! # Ok(()) }
//! ```

use std::{net::SocketAddr, ops::ControlFlow, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{
    error::Refusal,
    id::{BootEpoch, InstanceId, NodeId},
    keys::Keys,
    socketio::{self, Closer, Inbound, Limits, Sink, TransportError},
    wire::{
        cipher::SessionKeys,
        control::{self, ToMaster},
        envelope::{Envelope, EnvelopeBuilder},
        extensions,
        frame::{FirstPart, Frame},
        handshake::{HandshakeError, Initiator},
        hello::{Hello, SchemaDigest, Target, role},
    },
};

/// How long every step may take.
const STEP: Duration = Duration::from_secs(10);

/// Who a raw peer claims to be, and which peer it wants to reach.
#[derive(Debug, Clone)]
pub struct Claim {
    mesh: String,
    node: NodeId,
    epoch: BootEpoch,
    target: Target,
    role: u8,
    features: u64,
    extensions: Bytes,
}

impl Claim {
    /// A node of `mesh` that wants to reach the master.
    pub fn to_master(mesh: &str, node_type: &str, instance: impl Into<InstanceId>) -> Self {
        Self {
            mesh: mesh.into(),
            node: NodeId::new(node_type, instance),
            epoch: BootEpoch::now(),
            target: Target::Master,
            role: role::NODE,
            features: 0,
            extensions: Bytes::new(),
        }
    }

    /// A node of `mesh` that wants to reach another node.
    pub fn to_node(
        mesh: &str,
        node_type: &str,
        instance: impl Into<InstanceId>,
        target: &NodeId,
    ) -> Self {
        Self {
            target: Target::Node(target.clone()),
            ..Self::to_master(mesh, node_type, instance)
        }
    }

    /// Claims a role by its number. A member that is no node claims no node type.
    pub fn role(mut self, role: u8) -> Self {
        self.role = role;
        self
    }

    /// Claims features.
    pub fn features(mut self, features: u64) -> Self {
        self.features = features;
        self
    }

    /// An extension block behind the introduction and the registration.
    pub fn extensions(mut self, block: impl Into<Bytes>) -> Self {
        self.extensions = block.into();
        self
    }

    fn hello(&self) -> Hello {
        let node_type = match self.role {
            role::NODE => self.node.node_type.to_string(),
            _ => String::new(),
        };
        Hello {
            mesh: self.mesh.clone(),
            role: self.role,
            node_type,
            instance: self.node.instance.clone(),
            epoch: self.epoch,
            target: self.target.clone(),
            schema: SchemaDigest::default(),
            features: self.features,
            extensions: self.extensions.clone(),
        }
    }
}

/// Why an operation of a raw peer failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RawError {
    /// The other side refused the handshake.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The handshake failed on this side.
    #[error("the handshake failed: {0}")]
    Handshake(String),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// The other side closed the connection.
    #[error("the other side closed the connection")]
    Closed,
    /// The other side did not answer within 10 s.
    #[error("no answer within {STEP:?}")]
    TimedOut,
}

impl From<TransportError> for RawError {
    fn from(error: TransportError) -> Self {
        Self::Connection(error.to_string())
    }
}

impl From<HandshakeError> for RawError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Refused { refusal, .. } => Self::Refused(refusal),
            other => Self::Handshake(other.to_string()),
        }
    }
}

/// A Socket.IO connection that carries arbitrary payloads.
pub struct RawConnection {
    sink: Sink,
    payloads: mpsc::UnboundedReceiver<Bytes>,
}

struct RawInbound(mpsc::UnboundedSender<Bytes>);

impl Inbound for RawInbound {
    fn on_payload(&self, payload: Bytes) -> ControlFlow<()> {
        // The receiver may be gone already.
        let _ = self.0.send(payload);
        ControlFlow::Continue(())
    }

    fn on_close(&self, _reason: TransportError) {}
}

impl RawConnection {
    /// Connects to a node's or master's port.
    ///
    /// # Errors
    /// If no Socket.IO server answers.
    pub async fn open(addr: SocketAddr) -> Result<Self, RawError> {
        let (sender, payloads) = mpsc::unbounded_channel();
        let host = addr.ip().to_string();
        let limits = Limits::default();
        let sink = socketio::connect(&host, addr.port(), &limits, |_: &Closer| {
            Arc::new(RawInbound(sender))
        })
        .await?;
        Ok(Self { sink, payloads })
    }

    /// Sends one payload.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn send(&mut self, payload: impl Into<Bytes>) -> Result<(), RawError> {
        Ok(self.sink.send(payload.into()).await?)
    }

    /// Receives the next payload, within 10 s.
    ///
    /// # Errors
    /// [`RawError::Closed`] if the other side closed the connection, [`RawError::TimedOut`].
    pub async fn receive(&mut self) -> Result<Bytes, RawError> {
        tokio::time::timeout(STEP, self.payloads.recv())
            .await
            .map_err(|_| RawError::TimedOut)?
            .ok_or(RawError::Closed)
    }

    /// Waits until the other side closes the connection, for 10 s at most. Payloads that arrive until then are dropped.
    ///
    /// # Errors
    /// [`RawError::TimedOut`] if it does not.
    pub async fn closed(&mut self) -> Result<(), RawError> {
        loop {
            match self.receive().await {
                Ok(_) => {}
                Err(RawError::Closed) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The first message of a handshake, as an attacker on the network path could record it.
///
/// # Errors
/// If the keys or the claim are not valid.
pub async fn first_message(keys: &Keys, claim: &Claim) -> Result<Bytes, RawError> {
    Ok(initiate(keys, claim).await?.1)
}

async fn initiate(keys: &Keys, claim: &Claim) -> Result<(Initiator, Bytes), RawError> {
    let keys = keys
        .derive()
        .await
        .map_err(|error| RawError::Handshake(error.to_string()))?;
    Ok(Initiator::start(&keys, &claim.hello())?)
}

/// A peer whose handshake is done. Until it has called [`confirm`](Self::confirm), the other side does not trust it.
pub struct RawPeer {
    connection: RawConnection,
    session: SessionKeys,
    received: u32,
    extensions: Bytes,
}

impl RawPeer {
    /// Dials and performs the handshake.
    ///
    /// # Errors
    /// [`RawError::Refused`] with the reason if the other side refuses; other errors if the connection or the handshake
    /// fails.
    pub async fn dial(addr: SocketAddr, keys: &Keys, claim: &Claim) -> Result<Self, RawError> {
        let (initiator, message) = initiate(keys, claim).await?;
        let mut connection = RawConnection::open(addr).await?;
        connection.send(message).await?;
        let reply = connection.receive().await?;
        let (_, session) = initiator.finish(&reply)?;
        Ok(Self {
            connection,
            session,
            received: 0,
            extensions: claim.extensions.clone(),
        })
    }

    /// Sends the first envelope. It authenticates this peer, and grants the other side the credit that a node usually
    /// grants.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn confirm(&mut self) -> Result<(), RawError> {
        self.send_frame(&Frame::Confirm {
            calls: 16_384,
            bytes: 64 << 20,
        })
        .await
    }

    /// Registers with the master.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn register(&mut self, host: &str, port: u16) -> Result<(), RawError> {
        let message = ToMaster::Register {
            host: Some(host.into()),
            port,
        };
        let message =
            control::encode(&message).map_err(|error| RawError::Handshake(error.to_string()))?;
        let payload = [message, self.extensions.clone()].concat().into();
        self.send_frame(&Frame::Control { payload }).await
    }

    /// Calls a command with arguments that are already encoded.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn call(&mut self, call: u64, command: u32, args: &[u8]) -> Result<(), RawError> {
        self.send_call(
            call,
            command,
            3000,
            FirstPart::whole(Bytes::copy_from_slice(args)),
        )
        .await
    }

    /// Calls a command, and says how long this caller waits, in milliseconds.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn call_within(
        &mut self,
        call: u64,
        command: u32,
        deadline_ms: u32,
        args: &[u8],
    ) -> Result<(), RawError> {
        let part = FirstPart::whole(Bytes::copy_from_slice(args));
        self.send_call(call, command, deadline_ms, part).await
    }

    /// Calls a command with an extension block, of at most 4 KiB, in front of the arguments.
    ///
    /// # Errors
    /// If the block is too long, or the connection is gone.
    pub async fn call_extended(
        &mut self,
        call: u64,
        command: u32,
        block: &[u8],
        args: &[u8],
    ) -> Result<(), RawError> {
        let payload = extensions::in_front_of(block, args)
            .map_err(|error| RawError::Handshake(error.to_string()))?;
        let part = FirstPart {
            extended: true,
            ..FirstPart::whole(payload)
        };
        self.send_call(call, command, 3000, part).await
    }

    async fn send_call(
        &mut self,
        call: u64,
        command: u32,
        deadline_ms: u32,
        part: FirstPart,
    ) -> Result<(), RawError> {
        self.send_frame(&Frame::Call {
            call,
            command,
            deadline_ms,
            part,
        })
        .await
    }

    /// Seals an envelope with a ping in it, and returns its bytes. The other side expects it before the next envelope.
    /// The test decides whether to send it, once or twice, and whether to change it.
    ///
    /// # Errors
    /// Never, as long as fewer than 2^64 envelopes were sealed.
    pub fn seal_ping(&mut self) -> Result<Bytes, RawError> {
        self.seal(&Frame::Ping { token: 1 })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn send_bytes(&mut self, bytes: impl Into<Bytes>) -> Result<(), RawError> {
        self.connection.send(bytes).await
    }

    /// Receives the next envelope from the other side as readable text: one line for each frame.
    ///
    /// # Errors
    /// [`RawError::Closed`], [`RawError::TimedOut`], or an envelope that does not open.
    pub async fn receive(&mut self) -> Result<Vec<String>, RawError> {
        let payload = self.connection.receive().await?;
        let envelope = Envelope::open(payload, &mut self.session.opener)
            .map_err(|error| RawError::Handshake(error.to_string()))?;
        self.received += u32::from(envelope.counts());
        envelope
            .frames
            .map(|frame| match frame {
                Ok(frame) => Ok(format!("{frame:?}")),
                Err(error) => Err(RawError::Handshake(error.to_string())),
            })
            .collect()
    }

    /// Waits until the other side closes the connection, for 10 s at most.
    ///
    /// # Errors
    /// [`RawError::TimedOut`] if it does not.
    pub async fn closed(&mut self) -> Result<(), RawError> {
        self.connection.closed().await
    }

    async fn send_frame(&mut self, frame: &Frame) -> Result<(), RawError> {
        let sealed = self.seal(frame)?;
        self.connection.send(sealed).await
    }

    fn seal(&mut self, frame: &Frame) -> Result<Bytes, RawError> {
        let mut envelope = EnvelopeBuilder::with_capacity(frame.encoded_len());
        if !envelope.push(frame) {
            return Err(RawError::Handshake("the frame is too long".into()));
        }
        envelope
            .seal(self.received, &mut self.session.sealer)
            .map_err(|error| RawError::Handshake(error.to_string()))
    }
}
