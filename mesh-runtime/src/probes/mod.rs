//! The HTTP port that a node or master opens if it is told to: `/metrics` for Prometheus, `/livez` and `/readyz` for
//! whoever starts and stops it. It tells names and counts, and no arguments. There is no authentication.

mod exposition;
mod text;

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{AbortHandle, JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::operator::{EventKind, HealthStatus, Operated};

/// How many connections may be open. For a further one, the oldest is closed.
const MAX_CONNECTIONS: usize = 64;

/// How long a client has to send its request.
const REQUEST_DEADLINE: Duration = Duration::from_secs(2);

/// How long a connection may last. Each serves one request.
const DEADLINE: Duration = Duration::from_secs(15);

/// How many texts for Prometheus are made at once: each asks the engines of all queues.
const EXPOSITIONS: usize = 2;

/// The largest request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// How long the accept loop pauses if accepting fails.
const ACCEPT_REST: Duration = Duration::from_millis(100);

const PLAIN: &str = "text/plain; charset=utf-8";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The listener for metrics and probes.
pub(crate) struct Listener {
    tcp: TcpListener,
    addr: SocketAddr,
}

/// The open port.
pub(crate) struct Probes {
    pub(crate) addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl Listener {
    /// # Errors
    /// If the address cannot be bound.
    pub(crate) async fn bind(addr: SocketAddr) -> io::Result<Self> {
        let tcp = TcpListener::bind(addr).await?;
        let addr = tcp.local_addr()?;
        Ok(Self { tcp, addr })
    }

    /// Serves the port in a task, until `stop` is cancelled.
    pub(crate) fn serve(self, operated: Weak<dyn Operated>, stop: CancellationToken) -> Probes {
        let serving = tokio::spawn(async move {
            tokio::select! {
                () = accept(&self.tcp, operated) => {}
                () = stop.cancelled() => {}
            }
        });
        Probes {
            addr: self.addr,
            serving,
        }
    }
}

impl Probes {
    /// Waits until the port is closed.
    pub(crate) async fn closed(self) {
        let _ = self.serving.await;
    }
}

async fn accept(listener: &TcpListener, operated: Weak<dyn Operated>) {
    let expositions = Arc::new(Semaphore::new(EXPOSITIONS));
    // Dropped with this future, and all connections with it.
    let mut connections = JoinSet::new();
    let mut open = VecDeque::new();
    loop {
        let tcp = match listener.accept().await {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for metrics");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        open.retain(|connection: &AbortHandle| !connection.is_finished());
        if open.len() == MAX_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let (operated, expositions) = (Weak::clone(&operated), Arc::clone(&expositions));
        open.push_back(connections.spawn(async move {
            let _ = timeout(DEADLINE, serve(tcp, operated, expositions)).await;
        }));
    }
}

/// Serves one request.
async fn serve(tcp: TcpStream, operated: Weak<dyn Operated>, expositions: Arc<Semaphore>) {
    let service = service_fn(|request: Request<Incoming>| {
        let (operated, expositions) = (operated.upgrade(), Arc::clone(&expositions));
        async move {
            let Some(operated) = operated else {
                return Ok::<_, Infallible>(text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    PLAIN,
                    "ended\n",
                ));
            };
            let path = request.uri().path();
            Ok(answer(request.method(), path, &*operated, &expositions).await)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_DEADLINE)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(tcp), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection for metrics has failed");
    }
}

async fn answer(
    method: &Method,
    path: &str,
    operated: &dyn Operated,
    expositions: &Semaphore,
) -> Response<String> {
    if !matches!(path, "/metrics" | "/livez" | "/readyz") {
        let there_is = "there is /metrics, /livez and /readyz\n";
        return text(StatusCode::NOT_FOUND, PLAIN, there_is);
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "");
        let allowed = HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(ALLOW, allowed);
        return refused;
    }
    match path {
        "/metrics" => {
            // Never closed.
            let _permit = expositions.acquire().await;
            text(StatusCode::OK, EXPOSITION, exposition::of(operated).await)
        }
        "/livez" => text(StatusCode::OK, PLAIN, "ok\n"),
        _ => match obstacles(operated) {
            none if none.is_empty() => text(StatusCode::OK, PLAIN, "ready\n"),
            obstacles => {
                let lines: String = obstacles.iter().map(|why| format!("{why}\n")).collect();
                let told = format!("not ready:\n{lines}");
                text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, told)
            }
        },
    }
}

fn text(status: StatusCode, kind: &'static str, text: impl Into<String>) -> Response<String> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// What keeps a node or master from being ready.
fn obstacles(operated: &dyn Operated) -> Vec<String> {
    let health = operated.health();
    let mut obstacles = Vec::new();
    match health.status {
        HealthStatus::Ok | HealthStatus::Other => {}
        HealthStatus::Draining => obstacles.push("it shuts down".to_owned()),
        HealthStatus::Replaced => {
            obstacles.push("a newer node with the same instance id has replaced it".to_owned());
        }
    }
    // One that has lost the master keeps its links, and goes on serving. If it were not ready then, a restart of the
    // master would take all nodes away at once.
    let was_registered = operated.events().counts()[EventKind::Registered.name()] > 0;
    if health.registered == Some(false) && !was_registered {
        obstacles.push("it is not registered with the master".to_owned());
    }
    // The first instance of a node type that links to its own kind finds nobody.
    let own = operated.member().node_type;
    let unlinked = health
        .unlinked
        .iter()
        .filter(|node_type| **node_type != own);
    obstacles.extend(unlinked.map(|node_type| format!("no link to any instance of {node_type}")));
    if !operated.own_check() {
        obstacles.push("its own check fails".to_owned());
    }
    obstacles
}
