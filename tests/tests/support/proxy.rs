//! A TCP proxy in the middle of a connection: records what passes, and can cut, stall and damage it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// One direction through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the dialling side.
    Up,
    /// To the dialling side.
    Down,
}

/// What passed through one connection.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recording {
    pub(crate) up: Vec<u8>,
    pub(crate) down: Vec<u8>,
}

/// A fault that is injected into the connections that exist at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Nothing,
    Cut,
    Stall,
    Damage(Way),
}

/// A proxy that runs until it is dropped.
pub(crate) struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

struct Shared {
    /// The target of the connections; connections wait until it is set.
    target: watch::Sender<Option<SocketAddr>>,
    recordings: Mutex<Vec<Recording>>,
    deed: watch::Sender<Deed>,
}

impl Shared {
    fn recordings(&self) -> MutexGuard<'_, Vec<Recording>> {
        self.recordings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Listens; connections wait until [`Proxy::lead_to`] sets the target.
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            target: watch::Sender::new(None),
            recordings: Mutex::default(),
            deed: watch::Sender::new(Deed::Nothing),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            addr,
            shared,
            accepting,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn lead_to(&self, target: SocketAddr) {
        self.shared.target.send_replace(Some(target));
    }

    /// What has passed so far, by connection, in the order in which they came.
    pub(crate) fn recordings(&self) -> Vec<Recording> {
        self.shared.recordings().clone()
    }

    /// Cuts the existing connections.
    pub(crate) fn cut(&self) {
        self.shared.deed.send_replace(Deed::Cut);
    }

    /// Passes nothing more on the existing connections, and keeps them open.
    pub(crate) fn stall(&self) {
        self.shared.deed.send_replace(Deed::Stall);
    }

    /// Flips one bit in the middle of the next data in that direction, on each existing connection.
    pub(crate) fn damage(&self, way: Way) {
        self.shared.deed.send_replace(Deed::Damage(way));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(pass(client, Arc::clone(&shared)));
    }
}

async fn pass(client: TcpStream, shared: Arc<Shared>) {
    // Earlier faults concern other connections.
    let mut deed = shared.deed.subscribe();
    deed.mark_unchanged();
    let mut target = shared.target.subscribe();
    let addr = match target.wait_for(Option::is_some).await {
        Ok(addr) => *addr,
        Err(_) => None,
    };
    let Some(addr) = addr else { return };
    let Ok(server) = TcpStream::connect(addr).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let number = {
        let mut recordings = shared.recordings();
        recordings.push(Recording::default());
        recordings.len() - 1
    };
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let up = forward(
        Way::Up,
        number,
        client_in,
        server_out,
        &shared,
        deed.clone(),
    );
    let down = forward(Way::Down, number, server_in, client_out, &shared, deed);
    // Both ends close when one does.
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

async fn forward(
    way: Way,
    number: usize,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    mut deeds: watch::Receiver<Deed>,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut damage = false;
    loop {
        let read = tokio::select! {
            biased;
            changed = deeds.changed() => match changed {
                Ok(()) => 0,
                Err(_) => return,
            },
            read = from.read(&mut buffer) => match read {
                Ok(read @ 1..) => read,
                Ok(0) | Err(_) => return,
            },
        };
        // A fault that was injected before these bytes were sent concerns them.
        if read == 0 || deeds.has_changed().unwrap_or_default() {
            let deed = *deeds.borrow_and_update();
            match deed {
                Deed::Nothing => {}
                Deed::Cut => return,
                Deed::Stall => stalled(&mut deeds).await,
                Deed::Damage(damaged) => damage = damaged == way,
            }
        }
        if read == 0 {
            continue;
        }
        let bytes = &mut buffer[..read];
        if std::mem::take(&mut damage) {
            bytes[read / 2] ^= 1;
        }
        {
            let mut recordings = shared.recordings();
            match way {
                Way::Up => recordings[number].up.extend_from_slice(bytes),
                Way::Down => recordings[number].down.extend_from_slice(bytes),
            }
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// Waits until the connection is cut.
async fn stalled(deeds: &mut watch::Receiver<Deed>) {
    let _ = deeds.wait_for(|deed| *deed == Deed::Cut).await;
    deeds.mark_changed();
}
