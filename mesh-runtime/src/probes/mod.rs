//! The HTTP port that a node or master opens if it is told to: `/metrics` for Prometheus, `/livez` and `/readyz` for
//! whoever starts and stops it. It tells names and counts, and no arguments. There is no authentication.

mod exposition;
mod text;

use std::{
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
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::operator::{EventKind, HealthStatus, Operated};

/// How many connections may be open. Further ones wait in the system's backlog.
const MAX_CONNECTIONS: usize = 64;

/// How long a connection may last. Each serves one request.
const DEADLINE: Duration = Duration::from_secs(15);

/// The largest request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// How long the accept loop pauses if accepting fails.
const ACCEPT_REST: Duration = Duration::from_millis(100);

const PLAIN: &str = "text/plain; charset=utf-8";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves the port in a task, until `stop` is cancelled. Returns its address.
pub(crate) fn start(
    listener: TcpListener,
    operated: Weak<dyn Operated>,
    stop: CancellationToken,
) -> io::Result<SocketAddr> {
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        tokio::select! {
            () = accept(&listener, &operated, &stop) => {}
            () = stop.cancelled() => {}
        }
    });
    Ok(addr)
}

async fn accept(listener: &TcpListener, operated: &Weak<dyn Operated>, stop: &CancellationToken) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return; // never closed
        };
        let tcp = match listener.accept().await {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for metrics");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let (operated, stop) = (Weak::clone(operated), stop.clone());
        tokio::spawn(async move {
            let _permit = permit;
            tokio::select! {
                _ = timeout(DEADLINE, serve(tcp, operated)) => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// Serves one request.
async fn serve(tcp: TcpStream, operated: Weak<dyn Operated>) {
    let service = service_fn(|request: Request<Incoming>| {
        let operated = operated.upgrade();
        async move {
            Ok::<_, Infallible>(match operated {
                Some(operated) => answer(request.method(), request.uri().path(), &*operated).await,
                None => text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "ended\n"),
            })
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(DEADLINE)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(tcp), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection for metrics has failed");
    }
}

async fn answer(method: &Method, path: &str, operated: &dyn Operated) -> Response<String> {
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
        "/metrics" => text(StatusCode::OK, EXPOSITION, exposition::of(operated).await),
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
    let unlinked = health.unlinked.iter();
    obstacles.extend(unlinked.map(|node_type| format!("no link to any instance of {node_type}")));
    if !operated.own_check() {
        obstacles.push("its own check fails".to_owned());
    }
    obstacles
}
