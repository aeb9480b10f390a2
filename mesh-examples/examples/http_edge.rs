//! An HTTP server in front of a mesh. The deadline of a request becomes the deadline of its call, its trace becomes that of
//! the call, and what went wrong in the mesh becomes an HTTP status.
//!
//! `cargo run -p mesh-examples --features http --example http_edge`
//!
//! The program makes two requests to itself: one that is answered, and one whose deadline is too short.

use std::{error::Error, future::pending, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    routing::get,
};
use mesh_runtime::{CallError, Context, Node, mesh_schema, testing::TestMesh};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

mesh_schema! {
    /// Greetings over HTTP.
    mesh Greetings;

    /// Speaks HTTP with the world.
    node Edge { connect: [Greeter]; }

    /// Knows how to greet.
    node Greeter {
        allow: [Edge];

        /// A greeting for that name.
        #[idempotent]
        balanced fn greet(name: String) -> String;
    }
}

struct Polite;

impl GreeterHandler for Polite {
    async fn greet(&self, cx: Context<Greeter>, name: String) -> String {
        // What a request to a system outside the mesh would have as its header `traceparent`. With the crate mesh-otel it
        // names the span of this handler.
        if let Some(traceparent) = cx.traceparent() {
            println!("Greeter: traceparent: {traceparent}");
        }
        if name == "sloth" {
            // So slow that it never ends: the mesh drops it when the deadline of the call has passed.
            pending::<()>().await;
        }
        format!("Hello, {name}!")
    }
}

/// The deadline of a request that asks for none.
const DEFAULT: Duration = Duration::from_secs(3);
/// The longest one that a client of this server may ask for.
const LONGEST: Duration = Duration::from_secs(10);

async fn greet(
    State(edge): State<Node<Edge>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<String, StatusCode> {
    let timeout = timeout_of(&headers).ok_or(StatusCode::BAD_REQUEST)?;
    let greeter = edge.client::<Greeter>();
    let mut call = greeter.greet(name).timeout(timeout);
    let traceparent = headers.get("traceparent");
    if let Some(Ok(traceparent)) = traceparent.map(HeaderValue::to_str) {
        call = call.traceparent(traceparent);
    }
    let answer = call.await;
    answer.map_err(|error| {
        // The text stays here, because it may name nodes of the mesh.
        eprintln!("greet: {error}");
        status_of(&error)
    })
}

/// What the header `x-timeout-ms` asks for. `None` if that is no number of milliseconds.
fn timeout_of(headers: &HeaderMap) -> Option<Duration> {
    let Some(value) = headers.get("x-timeout-ms") else {
        return Some(DEFAULT);
    };
    let millis = value.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(millis).min(LONGEST))
}

fn status_of(error: &CallError) -> StatusCode {
    match error {
        CallError::DeadlineExceeded { .. } => StatusCode::GATEWAY_TIMEOUT,
        CallError::NoPeer { .. }
        | CallError::Overloaded { .. }
        | CallError::ShuttingDown { .. }
        | CallError::LinkLost { .. } => StatusCode::SERVICE_UNAVAILABLE,
        CallError::Denied { .. } | CallError::Refused { .. } => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_GATEWAY,
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let mesh = TestMesh::<Greetings>::start().await?;
    let greeter = mesh.start_node(Greeter::node(Polite)).await?;
    let edge = mesh.start_node(Edge::node()).await?;
    edge.ready::<Greeter>(1).await?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let routes = Router::new()
        .route("/greet/{name}", get(greet))
        .with_state(edge.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        axum::serve(listener, routes)
            .with_graceful_shutdown(async {
                // Ends also if `main` has ended and `stop` is gone.
                let _ = stopped.await;
            })
            .await
    });

    let mut statuses = Vec::new();
    for (path, millis) in [("/greet/Ada", 5_000), ("/greet/sloth", 200)] {
        let response = request(addr, path, millis).await?;
        let (head, body) = response.split_once("\r\n\r\n").ok_or("no HTTP response")?;
        let status = head.lines().next().unwrap_or_default();
        println!("GET {path} within {millis} ms: {status} {body:?}");
        statuses.push(status.to_owned());
    }
    if statuses != ["HTTP/1.1 200 OK", "HTTP/1.1 504 Gateway Timeout"] {
        return Err(format!("other statuses were expected than {statuses:?}").into());
    }

    // From the outside in: first no more requests, then no more calls, then nobody who answers them.
    drop(stop);
    server.await??;
    edge.shutdown().await;
    greeter.shutdown().await;
    println!("ok: the deadline of a request is that of its call");
    Ok(())
}

/// The trace that the requests belong to, and the span in it that makes them.
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The whole response to one request, as text.
async fn request(addr: SocketAddr, path: &str, millis: u64) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {addr}\r\nx-timeout-ms: {millis}\r\ntraceparent: {TRACE}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}
