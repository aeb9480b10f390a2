//! The discovery port: tells where a master without a fixed port listens, to those who know the public name of the
//! mesh.
//!
//! It uses plain TCP, with one short exchange for each connection: a nonce from each side, a proof of knowing the name,
//! and the sealed port. Knowing the name does not admit anybody to the mesh: the handshake with the master comes after
//! that. This module must not know of Socket.IO, nodes or registries.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use zeroize::Zeroizing;

use crate::{
    keys::DerivedKeys,
    wire::{
        VERSION,
        cipher::{Direction, Opener, Sealer, TAG},
    },
};

/// The default discovery port.
pub(crate) const DEFAULT_PORT: u16 = 8765;

/// How long the whole exchange may take, on either side.
const DEADLINE: Duration = Duration::from_secs(2);
/// How many exchanges may run at once. Further connections wait in the listener's backlog.
const MAX_EXCHANGES: usize = 64;
/// A pause after a failed accept (no more file descriptors, say), so that it is not tried in a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const LABEL_PROOF: &[u8] = b"mesh/1 discovery proof";
const LABEL_PORT: &[u8] = b"mesh/1 discovery port";

/// The first byte of the answer to a valid proof. The sealed port follows.
const FOUND: u8 = 1;
/// The whole answer to any other proof.
const WRONG_NAME: u8 = 2;

const NONCE: usize = 32;
const PROOF: usize = 32;
const SEALED_PORT: usize = TAG + 2;

type Challenge = [u8; NONCE];

/// A discovery port that is open. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Discovery {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Discovery {
    /// Opens the port and tells `master_port` to whoever proves the public name.
    pub(crate) async fn bind(
        addr: SocketAddr,
        keys: Arc<DerivedKeys>,
        master_port: u16,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(serve(listener, keys, master_port));
        Ok(Self { addr, task })
    }

    /// The address, with the port that was chosen if none was given.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes the port and every exchange; both are gone when this returns.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        // The task ends because it was aborted, so its result does not matter.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts until it is aborted, which drops the listener and, with the set, all exchanges.
async fn serve(listener: TcpListener, keys: Arc<DerivedKeys>, master_port: u16) {
    let mut exchanges = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = exchanges.join_next() => {}
            accepted = listener.accept(), if exchanges.len() < MAX_EXCHANGES => match accepted {
                Ok((stream, peer)) => {
                    exchanges.spawn(exchange(stream, peer, Arc::clone(&keys), master_port));
                }
                Err(error) => {
                    tracing::warn!(%error, "the discovery port could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn exchange(stream: TcpStream, peer: SocketAddr, keys: Arc<DerivedKeys>, master_port: u16) {
    match timeout(DEADLINE, answer(stream, &keys, master_port)).await {
        Ok(Ok(true)) => tracing::debug!(%peer, "told the master's port"),
        Ok(Ok(false)) => tracing::warn!(%peer, "refused discovery: another public name"),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "discovery broke off"),
        Err(_) => tracing::debug!(%peer, "discovery took too long"),
    }
}

/// The server's side. `false` if the proof was wrong.
async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    keys: &DerivedKeys,
    master_port: u16,
) -> io::Result<bool> {
    let server_nonce: Challenge = rand::random();
    let mut greeting = [VERSION; 1 + NONCE];
    greeting[1..].copy_from_slice(&server_nonce);
    stream.write_all(&greeting).await?;

    let mut client_nonce = Challenge::default();
    stream.read_exact(&mut client_nonce).await?;
    let mut proof = [0; PROOF];
    stream.read_exact(&mut proof).await?;

    let nonces = Challenges {
        server: server_nonce,
        client: client_nonce,
    };
    // Compares in constant time.
    let proven = nonces.proof(keys).verify_slice(&proof).is_ok();
    let reply = if proven {
        nonces.seal_port(keys, master_port)?
    } else {
        vec![WRONG_NAME]
    };
    stream.write_all(&reply).await?;
    stream.shutdown().await?;
    Ok(proven)
}

/// Asks the discovery port of `host` where the master of this mesh listens.
///
/// Takes at most two seconds. Dropping the future gives it up.
pub(crate) async fn discover(
    host: &str,
    port: u16,
    keys: &DerivedKeys,
) -> Result<u16, DiscoverError> {
    let asked = async {
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(DiscoverError::Unreachable)?;
        ask(stream, keys).await
    };
    timeout(DEADLINE, asked)
        .await
        .unwrap_or(Err(DiscoverError::TimedOut))
}

/// The client's side.
async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    keys: &DerivedKeys,
) -> Result<u16, DiscoverError> {
    let mut greeting = [0; 1 + NONCE];
    stream
        .read_exact(&mut greeting)
        .await
        .map_err(broken("it greets nobody"))?;
    let [version, server @ ..] = greeting;
    if version != VERSION {
        return Err(DiscoverError::Version(version));
    }
    let nonces = Challenges {
        server,
        client: rand::random(),
    };
    let proof = nonces.proof(keys).finalize().into_bytes();
    let message = [&nonces.client[..], &proof].concat();
    stream
        .write_all(&message)
        .await
        .map_err(DiscoverError::Unreachable)?;

    // One byte more than expected, so that an answer that is too long is noticed.
    let mut reply = Vec::with_capacity(1 + SEALED_PORT + 1);
    let limit = reply.capacity() as u64;
    stream
        .take(limit)
        .read_to_end(&mut reply)
        .await
        .map_err(broken("it breaks off"))?;
    match reply.split_first() {
        Some((&FOUND, sealed)) => nonces.open_port(keys, sealed),
        Some((&WRONG_NAME, [])) => Err(DiscoverError::WrongPublicKey),
        _ => Err(DiscoverError::Malformed("it answers something else")),
    }
}

fn broken(problem: &'static str) -> impl FnOnce(io::Error) -> DiscoverError {
    move |error| match error.kind() {
        io::ErrorKind::UnexpectedEof => DiscoverError::Malformed(problem),
        _ => DiscoverError::Unreachable(error),
    }
}

/// The two nonces of one exchange. Each side adds its own, so that neither proof nor answer can be replayed.
struct Challenges {
    server: Challenge,
    client: Challenge,
}

impl Challenges {
    fn proof(&self, keys: &DerivedKeys) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&keys.discovery[..])
            .expect("HMAC takes keys of any length");
        mac.update(LABEL_PROOF);
        mac.update(&self.server);
        mac.update(&self.client);
        mac
    }

    /// A key for this exchange alone, so the counter in the cipher's nonce is always at its start.
    fn port_key(&self, keys: &DerivedKeys) -> Zeroizing<[u8; 32]> {
        let salt = [self.server, self.client].concat();
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(&salt), &keys.discovery[..])
            .expand(LABEL_PORT, &mut key[..])
            .expect("HKDF-SHA256 gives up to 8160 bytes, and this is 32");
        key
    }

    fn seal_port(&self, keys: &DerivedKeys, port: u16) -> io::Result<Vec<u8>> {
        let sealed = Sealer::new(&self.port_key(keys), Direction::FromResponder)
            .seal(&port.to_le_bytes())
            .map_err(io::Error::other)?;
        Ok([&[FOUND], &sealed[..]].concat())
    }

    fn open_port(&self, keys: &DerivedKeys, sealed: &[u8]) -> Result<u16, DiscoverError> {
        let opened = Opener::new(&self.port_key(keys), Direction::FromResponder)
            .open(sealed)
            .map_err(|_| {
                DiscoverError::Malformed("its answer is not sealed with this public name")
            })?;
        match <[u8; 2]>::try_from(&opened[..]).map(u16::from_le_bytes) {
            Ok(port) if port != 0 => Ok(port),
            _ => Err(DiscoverError::Malformed("its answer is no port")),
        }
    }
}

/// Why a master was not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DiscoverError {
    /// Nothing listens there, or the connection broke.
    #[error("the discovery port cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// A master of another mesh, or this side's public name is mistyped.
    #[error("refused: the public name is not that of the mesh that listens there")]
    WrongPublicKey,
    /// A master of another version.
    #[error("the discovery port speaks version {0} of the protocol, not {VERSION}")]
    Version(u8),
    /// Something else listens there.
    #[error("what listens at the discovery port is no discovery port of a mesh: {0}")]
    Malformed(&'static str),
    /// No answer in time.
    #[error("the discovery port did not answer within {DEADLINE:?}")]
    TimedOut,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The messages of one exchange with fixed nonces.
    pub(crate) fn vectors() -> Vec<(&'static str, Vec<u8>)> {
        let keys = keys("shop");
        let nonces = Challenges {
            server: [0x33; NONCE],
            client: [0x44; NONCE],
        };
        let proof = nonces.proof(&keys).finalize().into_bytes();
        vec![
            (
                "discovery.greeting",
                [&[VERSION], &nonces.server[..]].concat(),
            ),
            ("discovery.request", [&nonces.client[..], &proof].concat()),
            ("discovery.port-key", nonces.port_key(&keys).to_vec()),
            ("discovery.answer", nonces.seal_port(&keys, 7000).unwrap()),
            ("discovery.answer.wrong-name", vec![WRONG_NAME]),
        ]
    }

    fn keys(public: &str) -> Arc<DerivedKeys> {
        DerivedKeys::for_tests(public, &[1])
    }

    async fn open(public: &str) -> Discovery {
        let addr = "127.0.0.1:0".parse().unwrap();
        Discovery::bind(addr, keys(public), 7000).await.unwrap()
    }

    async fn ask_at(addr: SocketAddr, public: &str) -> Result<u16, DiscoverError> {
        discover(&addr.ip().to_string(), addr.port(), &keys(public)).await
    }

    /// Connects, reads the greeting, sends `message` and returns all that comes back.
    async fn talk(addr: SocketAddr, message: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let mut greeting = [0; 1 + NONCE];
        stream.read_exact(&mut greeting).await.unwrap();
        stream.write_all(message).await.unwrap();
        let mut reply = Vec::new();
        // A reset counts as the end of the answer.
        let _ = stream.read_to_end(&mut reply).await;
        reply
    }

    /// Listens, and sends `message` to the first client that connects.
    async fn impostor(message: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&message).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        });
        addr
    }

    #[tokio::test]
    async fn who_knows_the_public_name_is_told_the_port_as_often_as_it_asks() {
        let discovery = open("shop").await;
        for _ in 0..3 {
            assert_eq!(ask_at(discovery.addr(), "shop").await.unwrap(), 7000);
        }
    }

    #[tokio::test]
    async fn a_private_key_plays_no_part() {
        let discovery = open("shop").await;
        let other = DerivedKeys::for_tests("shop", &[99]);
        let found = discover("127.0.0.1", discovery.addr().port(), &other).await;
        assert_eq!(found.unwrap(), 7000);
    }

    #[tokio::test]
    async fn another_public_name_is_refused_and_gets_no_port() {
        let discovery = open("shop").await;
        let error = ask_at(discovery.addr(), "store").await.unwrap_err();
        assert!(matches!(error, DiscoverError::WrongPublicKey));
        assert_eq!(
            talk(discovery.addr(), &[7; NONCE + PROOF]).await,
            [WRONG_NAME]
        );
    }

    #[tokio::test]
    async fn a_recorded_proof_is_worth_nothing() {
        let discovery = open("shop").await;
        let recorded = Challenges {
            server: [1; NONCE],
            client: [2; NONCE],
        };
        let proof = recorded.proof(&keys("shop")).finalize().into_bytes();
        let message = [&recorded.client[..], &proof].concat();
        assert_eq!(talk(discovery.addr(), &message).await, [WRONG_NAME]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_cut_off_and_others_are_served() {
        let discovery = open("shop").await;
        let mut silent = TcpStream::connect(discovery.addr()).await.unwrap();
        let mut greeting = Vec::new();
        silent.read_to_end(&mut greeting).await.unwrap();
        assert_eq!(greeting.len(), 1 + NONCE);
        tokio::time::resume();
        assert_eq!(ask_at(discovery.addr(), "shop").await.unwrap(), 7000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_given_up() {
        let (client, _server) = tokio::io::duplex(256);
        let asked = timeout(DEADLINE, ask(client, &keys("shop"))).await;
        assert!(asked.is_err());

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = ask_at(listener.local_addr().unwrap(), "shop").await;
        assert!(matches!(error, Err(DiscoverError::TimedOut)));
    }

    #[tokio::test]
    async fn something_else_at_the_port_is_told_apart() {
        let http =
            impostor(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec()).await;
        assert!(matches!(
            ask_at(http, "shop").await,
            Err(DiscoverError::Version(b'H'))
        ));

        let short = impostor(vec![VERSION, 2, 3]).await;
        assert!(matches!(
            ask_at(short, "shop").await,
            Err(DiscoverError::Malformed(_))
        ));

        let mut forged = vec![VERSION; 1 + NONCE];
        forged.push(FOUND);
        forged.extend_from_slice(&[0; SEALED_PORT]);
        let forged = impostor(forged).await;
        assert!(matches!(
            ask_at(forged, "shop").await,
            Err(DiscoverError::Malformed(_))
        ));

        let long = impostor(vec![VERSION; 500]).await;
        assert!(ask_at(long, "shop").await.is_err());
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable() {
        let discovery = open("shop").await;
        let addr = discovery.addr();
        discovery.stop().await;
        let error = ask_at(addr, "shop").await.unwrap_err();
        assert!(matches!(error, DiscoverError::Unreachable(_)));
    }

    #[tokio::test]
    async fn stopping_ends_exchanges_that_are_under_way() {
        let discovery = open("shop").await;
        let mut silent = TcpStream::connect(discovery.addr()).await.unwrap();
        let mut greeting = [0; 1 + NONCE];
        silent.read_exact(&mut greeting).await.unwrap();
        discovery.stop().await;
        assert_eq!(silent.read(&mut greeting).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn more_clients_than_exchanges_are_all_served_in_the_end() {
        let discovery = open("shop").await;
        let mut silent = Vec::new();
        for _ in 0..MAX_EXCHANGES {
            silent.push(TcpStream::connect(discovery.addr()).await.unwrap());
        }
        let mut late = TcpStream::connect(discovery.addr()).await.unwrap();
        let mut greeting = [0; 1 + NONCE];
        late.read_exact(&mut greeting).await.unwrap();
        for mut stream in silent {
            let mut greeting = Vec::new();
            stream.read_to_end(&mut greeting).await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_port_is_not_readable_on_the_way() {
        let nonces = Challenges {
            server: [1; NONCE],
            client: [2; NONCE],
        };
        let one = nonces.seal_port(&keys("shop"), 7000).unwrap();
        let again = Challenges {
            server: [3; NONCE],
            ..nonces
        };
        assert_ne!(one[1..], again.seal_port(&keys("shop"), 7000).unwrap()[1..]);
        assert!(again.open_port(&keys("shop"), &one[1..]).is_err());
        assert!(nonces.open_port(&keys("store"), &one[1..]).is_err());
        assert_eq!(nonces.open_port(&keys("shop"), &one[1..]).unwrap(), 7000);
    }
}
