//! The handshake, on both sides of a connection: from the first payload to a sealed [`Channel`]. The acceptor trusts
//! the other side only when its first envelope opens. Until then nothing is registered and nobody is told.

use std::{
    net::SocketAddr,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use super::channel::{self, Channel, Inlet, Pace, Receiver};
use crate::{
    close::CloseReason,
    error::Refusal,
    keys::DerivedKeys,
    schema::Schema,
    socketio::{self, Acceptor, Closer, Inbound, Incoming, Limits, Sink, TransportError},
    wire::{
        cipher::{Sealer, SessionKeys},
        handshake::{HandshakeError, Initiator, Responder},
        hello::{Hello, Target, Welcome, role},
    },
};

/// How many unauthenticated connections there may be at once.
const MAX_UNAUTHENTICATED: usize = 1024;

/// What accepts connections: a node or the master.
pub(crate) trait Host: Send + Sync + 'static {
    /// The keys of the mesh.
    fn keys(&self) -> &DerivedKeys;

    /// Authorizes the sender of this hello by what the hello claims, which is not proven yet. Must not change anything.
    fn authorize(&self, hello: &Hello) -> Result<Welcome, Refusal>;

    /// Returns the receiver of the frames of a connection whose handshake is done. The first frame proves the identity
    /// of the other side.
    fn receiver(&self, hello: Hello, from: SocketAddr, channel: Channel) -> Arc<dyn Receiver>;

    /// A peer was refused.
    fn refused(&self, from: SocketAddr, refusal: Refusal);
}

/// What every host checks first of a hello: that it is for this host, and from an operator or from a node that the schema
/// knows.
pub(crate) fn check_hello(hello: &Hello, schema: &Schema, own: &Target) -> Result<(), Refusal> {
    let names_none = hello.is_operator() && hello.mesh.is_empty();
    if hello.mesh != schema.mesh && !names_none {
        return Err(Refusal::WrongMesh);
    }
    if hello.target != *own {
        return Err(Refusal::WrongTarget);
    }
    if hello.is_operator() {
        return Ok(());
    }
    if hello.role != role::NODE {
        return Err(Refusal::Role);
    }
    if schema.node(&hello.node_type).is_none() {
        return Err(Refusal::UnknownNodeType);
    }
    Ok(())
}

/// Accepts connections on behalf of a [`Host`].
pub(crate) struct Gate<H> {
    host: Arc<H>,
    pace: Pace,
    connections: TaskTracker,
    unauthenticated: Arc<Semaphore>,
}

impl<H: Host> Gate<H> {
    /// `connections` tracks the tasks that own connections.
    pub(crate) fn new(host: Arc<H>, pace: Pace, connections: TaskTracker) -> Self {
        Self {
            host,
            pace,
            connections,
            unauthenticated: Arc::new(Semaphore::new(MAX_UNAUTHENTICATED)),
        }
    }
}

impl<H: Host> Acceptor for Gate<H> {
    fn accept(&self, incoming: Incoming) -> Option<Arc<dyn Inbound>> {
        let Ok(unauthenticated) = Arc::clone(&self.unauthenticated).try_acquire_owned() else {
            tracing::warn!(from = %incoming.peer, "refused: too many handshakes at once");
            return None;
        };
        let (opened, opening) = oneshot::channel();
        let entrance = Entrance {
            phase: Mutex::new(Phase::Accepting {
                host: Arc::clone(&self.host) as Arc<dyn Host>,
                from: incoming.peer,
                closer: incoming.closer.clone(),
                opened,
            }),
        };
        self.connections.spawn(attend(
            incoming.sink,
            incoming.peer,
            opening,
            self.pace,
            unauthenticated,
        ));
        Some(Arc::new(entrance))
    }
}

/// Owns the sink of an accepted connection. Waits for the handshake, then writes until the connection closes.
async fn attend(
    mut sink: Sink,
    from: SocketAddr,
    opening: oneshot::Receiver<HandshakeResult>,
    pace: Pace,
    unauthenticated: OwnedSemaphorePermit,
) {
    match tokio::time::timeout(pace.handshake, opening).await {
        Ok(Ok(HandshakeResult::Sealed {
            channel,
            sealer,
            reply,
        })) => {
            let proven = channel.clone();
            let release = async move {
                proven.proven().await;
                drop(unauthenticated);
            };
            tokio::join!(
                release,
                channel::write(channel, sink, sealer, Some(reply), pace)
            );
        }
        Ok(Ok(HandshakeResult::Refused(reply))) => {
            let _ = tokio::time::timeout(pace.handshake, sink.send(reply)).await;
            let _ = tokio::time::timeout(pace.handshake, sink.close()).await;
        }
        Ok(Err(_)) => {
            let _ = tokio::time::timeout(pace.handshake, sink.close()).await;
        }
        Err(_) => {
            tracing::warn!(%from, within = ?pace.handshake, "closed a connection: no handshake came");
            let _ = tokio::time::timeout(pace.handshake, sink.close()).await;
        }
    }
}

enum HandshakeResult {
    Sealed {
        channel: Channel,
        sealer: Sealer,
        reply: Bytes,
    },
    Refused(Bytes),
}

/// Handles what arrives on one connection, depending on its phase.
struct Entrance {
    phase: Mutex<Phase>,
}

enum Phase {
    /// Waits for the first message of the dialler.
    Accepting {
        host: Arc<dyn Host>,
        from: SocketAddr,
        closer: Closer,
        opened: oneshot::Sender<HandshakeResult>,
    },
    /// Waits for the reply of the node that was dialled.
    Dialling(Box<DialState>),
    /// The handshake is done.
    Sealed(Inlet, Channel),
    /// Refused, or lost before the handshake was done.
    Over,
}

struct DialState {
    initiator: Initiator,
    closer: Closer,
    make: MakeReceiver,
    done: oneshot::Sender<Result<(Channel, Sealer), DialError>>,
}

type MakeReceiver = Box<dyn FnOnce(&Welcome, Channel) -> Result<Arc<dyn Receiver>, Refusal> + Send>;

impl Inbound for Entrance {
    fn on_payload(&self, payload: Bytes) -> ControlFlow<()> {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if let Phase::Sealed(inlet, _) = &mut *phase {
            // Once the connection is closed, further payloads are dropped. The writer sends the goodbye and cuts the
            // connection.
            inlet.take(payload);
            return ControlFlow::Continue(());
        }
        *phase = match std::mem::replace(&mut *phase, Phase::Over) {
            Phase::Accepting {
                host,
                from,
                closer,
                opened,
            } => answer(host, from, closer, opened, &payload),
            Phase::Dialling(dialling) => conclude(*dialling, &payload),
            other => other,
        };
        ControlFlow::Continue(())
    }

    fn on_close(&self, reason: TransportError) {
        let phase = std::mem::replace(
            &mut *self.phase.lock().unwrap_or_else(PoisonError::into_inner),
            Phase::Over,
        );
        match phase {
            Phase::Sealed(_, channel) => channel.close(CloseReason::Lost(reason.to_string())),
            Phase::Dialling(dialling) => {
                let _ = dialling.done.send(Err(DialError::Transport(reason)));
            }
            // Not logged if this side closed the connection because no handshake came.
            Phase::Accepting { from, opened, .. } if !opened.is_closed() => {
                tracing::warn!(%from, %reason, "a connection ended before its handshake");
            }
            Phase::Accepting { .. } | Phase::Over => {}
        }
    }
}

/// The acceptor's step of the handshake.
fn answer(
    host: Arc<dyn Host>,
    from: SocketAddr,
    closer: Closer,
    opened: oneshot::Sender<HandshakeResult>,
    message: &[u8],
) -> Phase {
    let (hello, reply, session) = match read_hello(&*host, message) {
        Ok(read) => read,
        Err(Turned { refusal, reply }) => {
            host.refused(from, refusal);
            // Fails only if the handshake has timed out.
            let _ = opened.send(HandshakeResult::Refused(reply));
            return Phase::Over;
        }
    };
    let channel = Channel::new();
    let receiver = host.receiver(hello, from, channel.clone());
    let inlet = Inlet::new(channel.clone(), session.opener, receiver, closer);
    let sealed = HandshakeResult::Sealed {
        channel: channel.clone(),
        sealer: session.sealer,
        reply,
    };
    if opened.send(sealed).is_err() {
        return Phase::Over;
    }
    Phase::Sealed(inlet, channel)
}

/// A peer was refused, and is sent this reply.
struct Turned {
    refusal: Refusal,
    reply: Bytes,
}

fn read_hello(host: &dyn Host, message: &[u8]) -> Result<(Hello, Bytes, SessionKeys), Turned> {
    let (responder, hello) = Responder::read(host.keys(), message).map_err(|refused| Turned {
        refusal: refused.refusal,
        reply: refused.reply,
    })?;
    match host.authorize(&hello) {
        Ok(welcome) => {
            let (reply, session) = responder.accept(&welcome).map_err(|error| {
                tracing::error!(%error, "a handshake could not be answered");
                Turned {
                    refusal: Refusal::Malformed,
                    reply: Bytes::new(),
                }
            })?;
            Ok((hello, reply, session))
        }
        Err(refusal) => Err(Turned {
            refusal,
            reply: responder.refuse(refusal),
        }),
    }
}

/// The dialler's step of the handshake.
fn conclude(answered: DialState, reply: &[u8]) -> Phase {
    let DialState {
        initiator,
        closer,
        make,
        done,
    } = answered;
    let (welcome, session) = match initiator.finish(reply) {
        Ok(finished) => finished,
        Err(error) => {
            let _ = done.send(Err(error.into()));
            return Phase::Over;
        }
    };
    let channel = Channel::new();
    let receiver = match make(&welcome, channel.clone()) {
        Ok(receiver) => receiver,
        Err(refusal) => {
            let _ = done.send(Err(DialError::Refused {
                refusal,
                authenticated: true,
            }));
            return Phase::Over;
        }
    };
    let inlet = Inlet::new(channel.clone(), session.opener, receiver, closer);
    if done.send(Ok((channel.clone(), session.sealer))).is_err() {
        return Phase::Over;
    }
    Phase::Sealed(inlet, channel)
}

/// Why dialling failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DialError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("{refusal}")]
    Refused {
        refusal: Refusal,
        authenticated: bool,
    },
    #[error("the handshake failed: {0}")]
    Handshake(String),
    #[error("the handshake was not finished within {0:?}")]
    TimedOut(Duration),
}

impl From<HandshakeError> for DialError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Refused {
                refusal,
                authenticated,
            } => Self::Refused {
                refusal,
                authenticated,
            },
            other => Self::Handshake(other.to_string()),
        }
    }
}

/// Who dials, and how.
pub(crate) struct Dialling<'a> {
    pub(crate) keys: &'a DerivedKeys,
    pub(crate) hello: &'a Hello,
    pub(crate) pace: Pace,
    /// Tracks the task that owns the connection.
    pub(crate) connections: &'a TaskTracker,
}

/// Dials, performs the handshake and starts the writer. `make` returns the receiver of what arrives, and what the dialler
/// gets besides the channel. The receiver must let the other side prove its identity with the first frame, and must send
/// a first frame itself. Dropping the future closes the connection.
pub(crate) async fn dial<T: Send + 'static>(
    host: &str,
    port: u16,
    dialling: Dialling<'_>,
    make: impl FnOnce(&Welcome, Channel) -> Result<(Arc<dyn Receiver>, T), Refusal> + Send + 'static,
) -> Result<(Channel, T), DialError> {
    let (made, for_dialler) = std::sync::mpsc::sync_channel(1);
    let make = move |welcome: &Welcome, channel: Channel| {
        let (receiver, besides) = make(welcome, channel)?;
        // Fails only if nobody waits any more.
        let _ = made.send(besides);
        Ok(receiver)
    };
    let Dialling {
        keys,
        hello,
        pace,
        connections,
    } = dialling;
    let (initiator, message) = Initiator::start(keys, hello)?;
    let (done, concluded) = oneshot::channel();
    let limits = Limits::default();
    let mut sink = socketio::connect(host, port, &limits, move |closer: &Closer| {
        Arc::new(Entrance {
            phase: Mutex::new(Phase::Dialling(Box::new(DialState {
                initiator,
                closer: closer.clone(),
                make: Box::new(make),
                done,
            }))),
        })
    })
    .await?;
    let shaken = async {
        sink.send(message).await?;
        concluded
            .await
            .unwrap_or_else(|_| Err(DialError::Handshake("the connection closed".into())))
    };
    match tokio::time::timeout(pace.handshake, shaken).await {
        Ok(Ok((channel, sealer))) => {
            connections.spawn(channel::write(channel.clone(), sink, sealer, None, pace));
            let besides = for_dialler
                .try_recv()
                .map_err(|_| DialError::Handshake("the connection closed".into()))?;
            Ok((channel, besides))
        }
        Ok(Err(error)) => {
            let _ = tokio::time::timeout(pace.handshake, sink.close()).await;
            Err(error)
        }
        Err(_) => {
            let _ = tokio::time::timeout(pace.handshake, sink.close()).await;
            Err(DialError::TimedOut(pace.handshake))
        }
    }
}
