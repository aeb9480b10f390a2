//! The server side: accepts TCP connections, serves plain HTTP and Socket.IO on them, and stops cleanly.
//!
//! The accept loop is our own, because each TCP connection is wrapped in a [`GuardedStream`], has a deadline until it
//! is accepted, and is known to [`Server::stop`].

use std::{
    collections::HashMap,
    fmt::Display,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use hyper::{Request, body::Incoming as Body, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socketioxide::{
    ParserConfig, SocketIo, TransportType,
    adapter::LocalAdapter,
    handler::{ConnectHandler, Value},
    service::SocketIoService,
    socket::Socket,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    CLOSE_GRACE, Closer, Inbound, Limits, MAX_MESSAGE_BYTES, READ_BUFFER_BYTES, Sink,
    TransportError,
    connection::{CHANNEL_MESSAGES, Connection},
    stream::GuardedStream,
};
use crate::http::Health;

/// How many TCP connections may be open that are not accepted as Socket.IO connections: unauthenticated peers, health
/// probes, browsers. Above this number, new ones wait in the system's backlog. Each one ends within `Limits::connect`.
const MAX_UNPROVEN: usize = 512;

/// The largest request head, in bytes, with room for the headers of a proxy.
const MAX_HTTP_BUFFER: usize = 16 * 1024;

/// How long a closed connection waits for socketioxide to report why it ended. socketioxide does not always report it.
const REASON_WAIT: Duration = Duration::from_millis(50);

/// How long the accept loop pauses if accepting fails (for example, because file descriptors have run out).
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// A Socket.IO connection that asks to be accepted.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The address of the peer.
    pub(crate) peer: SocketAddr,
    /// Its writing end. It can be used at once; payloads are sent when the connection is established.
    pub(crate) sink: Sink,
    /// Cuts it.
    pub(crate) closer: Closer,
}

/// Decides about new connections.
pub(crate) trait Acceptor: Send + Sync + 'static {
    /// Called once for each Socket.IO connection, before its first payload; must not block. `None` refuses it.
    fn accept(&self, connection: Incoming) -> Option<Arc<dyn Inbound>>;
}

type Service = SocketIoService<Health>;

/// A listening server. Dropping it stops it without waiting; [`stop`](Self::stop) waits.
#[derive(Debug)]
pub(crate) struct Server {
    addr: SocketAddr,
    shared: Arc<ServerState>,
}

/// The state that the accept loop and its connections share.
#[derive(Debug)]
struct ServerState {
    limits: Limits,
    stopping: CancellationToken,
    tasks: TaskTracker,
    open: Mutex<OpenConnections>,
}

/// The connections that have a task, each with a unique number.
#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    connections: HashMap<u64, Arc<Connection>>,
}

impl ServerState {
    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        // A poisoned lock is ignored: no code under it can leave the state half changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a connection known to `stop`. `None` if the server is stopping.
    fn register(self: &Arc<Self>, connection: Arc<Connection>) -> Option<Registered> {
        let mut open = self.open();
        // `stop` cancels before it collects the connections, so a connection that registers too late sees the
        // cancellation.
        if self.stopping.is_cancelled() {
            return None;
        }
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, connection);
        Some(Registered {
            number,
            shared: self.clone(),
        })
    }

    fn all(&self) -> Vec<Arc<Connection>> {
        self.open().connections.values().cloned().collect()
    }
}

/// Keeps a connection among the open ones until it is dropped.
struct Registered {
    number: u64,
    shared: Arc<ServerState>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.shared.open().connections.remove(&self.number);
    }
}

impl Server {
    /// Serves Socket.IO under `/socket.io/` and [`Health`] under all other paths. Needs a Tokio runtime.
    pub(crate) fn start(
        listener: TcpListener,
        limits: Limits,
        acceptor: Arc<dyn Acceptor>,
    ) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let service = service(&limits, acceptor);
        let shared = Arc::new(ServerState {
            limits,
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            open: Mutex::default(),
        });
        shared
            .tasks
            .spawn(accept_loop(listener, service, shared.clone()));
        Ok(Self { addr, shared })
    }

    /// The address that the server listens on.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops accepting, closes every connection gracefully and cuts those that do not close within a second. Returns
    /// when the port is free and every task of the server has ended, or after one more second.
    pub(crate) async fn stop(self) {
        self.shared.stopping.cancel();
        let open = self.shared.all();
        join_all(open.iter().map(|connection| connection.close())).await;
        self.shared.tasks.close();
        // After the cut, a task has nothing left to wait for. The timeout guards against a user's `on_close` that
        // hangs.
        let _ = timeout(CLOSE_GRACE, self.shared.tasks.wait()).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
        for connection in self.shared.all() {
            connection.closer.abort();
        }
    }
}

/// The HTTP service of all connections: Socket.IO, and [`Health`] for everything else.
fn service(limits: &Limits, acceptor: Arc<dyn Acceptor>) -> Service {
    let parser = ParserConfig::common()
        .max_incoming_binaries(1)
        .max_incoming_binary_buf_size(MAX_MESSAGE_BYTES)
        .packet_completion_timeout(limits.write);
    let (service, io) = SocketIo::builder()
        .with_parser(parser)
        .transports([TransportType::Websocket])
        .connect_timeout(limits.connect)
        .ping_interval(limits.ping_interval)
        .ping_timeout(limits.ping_timeout)
        .max_buffer_size(CHANNEL_MESSAGES)
        .ws_read_buffer_size(READ_BUFFER_BYTES)
        .ws_max_message_size(MAX_MESSAGE_BYTES)
        .ws_max_frame_size(MAX_MESSAGE_BYTES)
        .build_with_inner_svc(Health);
    io.ns("/", AcceptOnConnect(acceptor));
    service
}

/// Connects socketioxide to the acceptor.
#[derive(Clone)]
struct AcceptOnConnect(Arc<dyn Acceptor>);

type Verdict = Result<(), Box<dyn Display + Send>>;

impl ConnectHandler<LocalAdapter, ()> for AcceptOnConnect {
    fn call_middleware<'a>(
        &'a self,
        socket: Arc<Socket<LocalAdapter>>,
        _auth: &'a Option<Value>,
    ) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>> {
        let verdict = match connection_of(&socket) {
            Some(connection) => connection.join(&socket, &*self.0),
            None => Err("no connection"),
        };
        let verdict = verdict.map_err(|reason| Box::new(reason) as Box<dyn Display + Send>);
        Box::pin(std::future::ready(verdict))
    }

    fn call(&self, socket: Arc<Socket<LocalAdapter>>, _auth: Option<Value>) {
        if let Some(connection) = connection_of(&socket) {
            connection.set_ready();
        }
    }
}

/// The connection that a request came over, which [`serve`] attached to the request.
fn connection_of(socket: &Socket<LocalAdapter>) -> Option<&Arc<Connection>> {
    socket.req_parts().extensions.get()
}

async fn accept_loop(listener: TcpListener, service: Service, shared: Arc<ServerState>) {
    let unproven = Arc::new(Semaphore::new(MAX_UNPROVEN));
    let accept = async {
        loop {
            let Ok(permit) = unproven.clone().acquire_owned().await else {
                return; // never closed
            };
            let (tcp, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_REST).await;
                    continue;
                }
            };
            let connection = Arc::new(Connection::new(peer, shared.limits.write));
            let Some(registered) = shared.register(connection.clone()) else {
                return;
            };
            let service = service.clone();
            shared.tasks.spawn(async move {
                let limits = &registered.shared.limits;
                serve(tcp, &connection, service, limits, permit).await;
            });
        }
    };
    tokio::select! {
        () = accept => {}
        () = shared.stopping.cancelled() => {}
    }
}

/// Serves one TCP connection until it is closed.
async fn serve(
    tcp: TcpStream,
    connection: &Arc<Connection>,
    service: Service,
    limits: &Limits,
    unproven: OwnedSemaphorePermit,
) {
    let deadline = Instant::now() + limits.connect;
    let closer = &connection.closer;
    let stream = match GuardedStream::new(tcp, closer.clone(), limits.write) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(peer = %connection.peer, %error, "cannot set up a connection");
            return;
        }
    };
    let tagged = {
        let connection = connection.clone();
        service_fn(move |mut request: Request<Body>| {
            request.extensions_mut().insert(connection.clone());
            hyper::service::Service::call(&service, request)
        })
    };
    // Completes when plain HTTP on the connection has ended, or when it has been upgraded to a WebSocket.
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.connect)
        .max_buf_size(MAX_HTTP_BUFFER)
        .serve_connection(TokioIo::new(stream), tagged)
        .with_upgrades();
    tokio::select! {
        _ = http => {}
        () = closer.was_cut() => {}
        () = sleep_until(deadline) => closer.cut(TransportError::ConnectTimedOut(limits.connect)),
    }
    tokio::select! {
        () = connection.accepted() => {}
        () = closer.gone() => {}
        () = sleep_until(deadline) => closer.cut(TransportError::ConnectTimedOut(limits.connect)),
    }
    drop(unproven);
    // The socket closes when reader and writer are both done, so nothing is delivered after this.
    closer.gone().await;
    // socketioxide reports the reason in a task of its own, which may not have run yet.
    let _ = timeout(REASON_WAIT, closer.reasoned()).await;
    connection.ended();
    if let Some(reason) = closer.reason() {
        tracing::debug!(peer = %connection.peer, %reason, "connection ended");
    }
}
