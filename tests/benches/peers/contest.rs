//! All contenders, started once; one round of one load with one of them.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Failure, cipher,
    load::{self, Echo, Round},
    nats::Nats,
    ours::Ours,
    payload::{Payload, order},
    raw::{TcpEcho, WebSocketEcho},
    sides::Sides,
    tarpc::{self, TarpcEcho},
    tonic::{self, TonicEcho},
};

/// The contenders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Ours,
    /// Two instances, with round robin between them.
    OursTwice,
    /// With `Bytes`, where the others have `Vec<u8>`.
    OursBytes,
    Tarpc,
    Tonic,
    Nats,
    RawWebSocket,
    RawTcp,
    Cipher,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursTwice => "ours, two instances",
            Self::OursBytes => "ours-bytes",
            Self::Tarpc => "tarpc",
            Self::Tonic => "tonic",
            Self::Nats => "nats",
            Self::RawWebSocket => "raw-websocket",
            Self::RawTcp => "raw-tcp",
            Self::Cipher => "cipher",
        }
    }
}

/// The load on each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Load {
    /// This many callers, each with one call at a time.
    Closed { bytes: usize, inflight: usize },
    /// This many calls per second.
    Open { bytes: usize, rate: usize },
    /// One caller of 64 bytes, while this many others call with 1 MiB on the same link.
    Beside { large: usize },
    /// This many callers with an order of 24 lines.
    Order { inflight: usize },
    /// This many callers with a `Vec<u8>` of 64 KiB.
    List { inflight: usize },
}

/// Size of the small calls that run next to large ones.
pub(crate) const SMALL: usize = 64;
const LARGE: usize = 1024 * 1024;
/// Size of a list.
pub(crate) const LIST: usize = 64 * 1024;

impl Load {
    /// Whether this load applies to this contender. Raw connections carry one message at a time, and the cipher is the
    /// limit for large payloads only.
    pub(crate) fn suits(self, peer: Peer) -> bool {
        match (self, peer) {
            (Self::Order { .. }, peer) => matches!(peer, Peer::Ours | Peer::Tarpc | Peer::Tonic),
            (Self::List { .. }, peer) => {
                matches!(peer, Peer::Ours | Peer::OursBytes | Peer::Tarpc)
            }
            (_, Peer::OursBytes) => false,
            (Self::Closed { inflight, .. }, Peer::RawTcp | Peer::RawWebSocket) => inflight == 1,
            (Self::Closed { bytes, inflight }, Peer::Cipher) => bytes >= 64 * 1024 && inflight > 1,
            (Self::Closed { .. }, _) => true,
            (Self::Open { .. }, Peer::RawTcp | Peer::RawWebSocket | Peer::Cipher) => false,
            (Self::Open { .. }, _) => true,
            (Self::Beside { .. }, peer) => matches!(peer, Peer::Ours | Peer::Tarpc),
        }
    }
}

pub(crate) struct Contest<'a> {
    sides: &'a Sides,
    one: Ours,
    two: Ours,
    tarpc: TarpcEcho,
    tonic: TonicEcho,
    nats: Option<Nats>,
    raw_tcp: TcpEcho,
    raw_websocket: WebSocketEcho,
}

impl<'a> Contest<'a> {
    pub(crate) async fn start(sides: &'a Sides) -> Result<Self, Failure> {
        Ok(Self {
            one: Ours::start(sides, 1).await?,
            two: Ours::start(sides, 2).await?,
            tarpc: tarpc::start(sides).await?,
            tonic: tonic::start(sides).await?,
            nats: Nats::start(sides).await?,
            raw_tcp: TcpEcho::start(sides).await?,
            raw_websocket: WebSocketEcho::start(sides).await?,
            sides,
        })
    }

    pub(crate) fn peers(&self) -> Vec<Peer> {
        let mut peers = vec![
            Peer::Ours,
            Peer::OursTwice,
            Peer::OursBytes,
            Peer::Tarpc,
            Peer::Tonic,
        ];
        peers.extend(self.nats.as_ref().map(|_| Peer::Nats));
        peers.extend([Peer::RawWebSocket, Peer::RawTcp, Peer::Cipher]);
        peers
    }

    /// One round.
    pub(crate) async fn round(
        &self,
        peer: Peer,
        load: Load,
        span: Duration,
    ) -> Result<Round, Failure> {
        match load {
            Load::Order { inflight } => self.order_round(peer, inflight, span).await,
            Load::List { inflight } => self.list_round(peer, inflight, span).await,
            _ => self.bytes_round(peer, load, span).await,
        }
    }

    async fn order_round(
        &self,
        peer: Peer,
        inflight: usize,
        span: Duration,
    ) -> Result<Round, Failure> {
        match peer {
            Peer::Ours => self.closed(self.one.echo(), order(), inflight, span).await,
            Peer::Tarpc => {
                self.closed(self.tarpc.clone(), order(), inflight, span)
                    .await
            }
            Peer::Tonic => {
                self.closed(self.tonic.clone(), order(), inflight, span)
                    .await
            }
            _ => Err("takes no orders".into()),
        }
    }

    async fn list_round(
        &self,
        peer: Peer,
        inflight: usize,
        span: Duration,
    ) -> Result<Round, Failure> {
        let list = vec![7_u8; LIST];
        match peer {
            Peer::Ours => self.closed(self.one.echo(), list, inflight, span).await,
            Peer::OursBytes => {
                let bytes = Bytes::from(list);
                self.closed(self.one.echo(), bytes, inflight, span).await
            }
            Peer::Tarpc => self.closed(self.tarpc.clone(), list, inflight, span).await,
            _ => Err("takes no lists".into()),
        }
    }

    async fn closed<P: Payload, E: Echo<P>>(
        &self,
        echo: E,
        payload: P,
        inflight: usize,
        span: Duration,
    ) -> Result<Round, Failure> {
        let round = load::closed(echo, payload, inflight, span, None);
        self.sides.on_client(round).await
    }

    async fn bytes_round(&self, peer: Peer, load: Load, span: Duration) -> Result<Round, Failure> {
        match (peer, &self.nats) {
            (Peer::OursBytes, _) => Err("is for lists".into()),
            (Peer::Ours, _) => self.load(self.one.echo(), load, span, None).await,
            (Peer::OursTwice, _) => self.load(self.two.echo(), load, span, None).await,
            (Peer::Tarpc, _) => self.load(self.tarpc.clone(), load, span, None).await,
            (Peer::Tonic, _) => self.load(self.tonic.clone(), load, span, None).await,
            (Peer::Nats, Some(nats)) => {
                let server = Some(nats.pid());
                self.load(nats.echo(), load, span, server).await
            }
            (Peer::Nats, None) => Err("nats-server is not installed".into()),
            (Peer::RawTcp, _) => self.load(self.raw_tcp.clone(), load, span, None).await,
            (Peer::RawWebSocket, _) => {
                self.load(self.raw_websocket.clone(), load, span, None)
                    .await
            }
            (Peer::Cipher, _) => self.cipher(load, span).await,
        }
    }

    /// `server` is another process whose processor time is included.
    async fn load<E: Echo>(
        &self,
        echo: E,
        load: Load,
        span: Duration,
        server: Option<u32>,
    ) -> Result<Round, Failure> {
        self.sides
            .on_client(async move {
                match load {
                    Load::Closed { bytes, inflight } => {
                        let payload = Bytes::from(vec![7; bytes]);
                        load::closed(echo, payload, inflight, span, server).await
                    }
                    Load::Open { bytes, rate } => load::open(echo, bytes, rate, span, server).await,
                    Load::Beside { large } => beside(echo, large, span).await,
                    Load::Order { .. } | Load::List { .. } => Err("is no load of bytes".into()),
                }
            })
            .await
    }

    async fn cipher(&self, load: Load, span: Duration) -> Result<Round, Failure> {
        let Load::Closed { bytes, .. } = load else {
            return Err("the cipher makes no calls".into());
        };
        let measured = tokio::task::spawn_blocking(move || cipher::calls_per_s(bytes, span));
        Ok(Round {
            per_s: measured.await??,
            ..Round::default()
        })
    }
}

/// One caller of small calls, while others make large ones.
async fn beside<E: Echo>(echo: E, large: usize, span: Duration) -> Result<Round, Failure> {
    let payload = Bytes::from(vec![7; LARGE]);
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..large {
        let (mut echo, payload) = (echo.clone(), payload.clone());
        others.spawn(async move {
            loop {
                echo.echo(payload.clone()).await?;
            }
        });
    }
    let small = Bytes::from(vec![7; SMALL]);
    let round = load::closed(echo, small, 1, span, None).await?;
    match others.try_join_next() {
        Some(ended) => ended?,
        None => Ok(round),
    }
}
