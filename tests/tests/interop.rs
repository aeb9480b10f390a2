//! The transport against third-party clients and servers, and the evidence for ADR 0001: why the runtime has a
//! Socket.IO client of its own.

mod support;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use mesh_runtime::{
    __interop::{EchoServer, exchange},
    Node,
    testing::TestMesh,
};
use rust_socketio::{
    Event, Payload, TransportType,
    asynchronous::{Client, ClientBuilder},
};
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef},
};
use support::hard::{Caller, Hands, Hard, Worker};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};

/// Keeps a failing test from hanging; nothing that works takes this long.
const NEVER: Duration = Duration::from_secs(30);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(NEVER, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// A plain socketioxide server with default settings, whose connections are handed to `connected`.
async fn plain_socketioxide(connected: fn(SocketRef)) -> SocketAddr {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", async move |socket: SocketRef| connected(socket));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().layer(layer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// rust_socketio, connected by WebSocket, with everything that event `m` brings.
async fn rust_socketio_client(address: SocketAddr) -> (Client, mpsc::UnboundedReceiver<Payload>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    // `connect` returns before the server has replied; an emit before the reply is lost.
    let (joined, mut has_joined) = mpsc::unbounded_channel();
    let builder = ClientBuilder::new(format!("http://{address}"))
        .transport_type(TransportType::Websocket)
        .reconnect(false)
        .on(Event::Connect, move |_, _| {
            let _ = joined.send(());
            async {}.boxed()
        })
        .on("m", move |payload, _| {
            let _ = sender.send(payload);
            async {}.boxed()
        });
    let client = soon("rust_socketio to connect", builder.connect()).await;
    let client = client.unwrap();
    soon("the server's answer", has_joined.recv()).await;
    (client, receiver)
}

// ---- Why not rust_socketio. When one of these two tests fails, ADR 0001 should be reconsidered. ----

#[tokio::test]
async fn rust_socketio_cuts_a_received_attachment_at_the_record_separator() {
    // The bytes after the separator are read as another packet; "6" makes it one that is ignored.
    let address = plain_socketioxide(|socket| {
        let attachment = Bytes::from_static(b"before\x1e6after");
        socket.emit("m", &attachment).unwrap();
    })
    .await;
    let (_client, mut received) = rust_socketio_client(address).await;
    let payload = soon("the attachment", received.recv()).await;
    assert_eq!(
        payload,
        Some(Payload::Binary(Bytes::from_static(b"before")))
    );
}

#[tokio::test]
async fn rust_socketio_interleaves_headers_and_attachments_of_concurrent_emits() {
    // A server that records the kinds of frames in the order in which they arrive.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (start_reading, may_read) = oneshot::channel();
    let recorder = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let unlimited = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let accepting = tokio_tungstenite::accept_async_with_config(tcp, Some(unlimited));
        let mut peer = accepting.await.unwrap();
        let open = r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
        peer.send(Message::text(open)).await.unwrap();
        while peer.next().await.unwrap().unwrap() != Message::text("40") {}
        let joined = Message::text(r#"40{"sid":"t"}"#);
        peer.send(joined).await.unwrap();
        may_read.await.unwrap();
        let mut kinds = String::new();
        while kinds.len() < 6 {
            match peer.next().await.unwrap().unwrap() {
                Message::Text(text) if text.starts_with("451-") => kinds.push('h'),
                Message::Binary(_) => kinds.push('a'),
                _ => {}
            }
        }
        kinds
    });
    let (client, _received) = rust_socketio_client(address).await;
    // The first attachment is larger than all buffers on the path, so it waits for the server, and the others wait for
    // it.
    let big = Bytes::from(vec![1; 64 * 1024 * 1024]);
    let emits = [big, Bytes::from_static(b"b"), Bytes::from_static(b"c")].map(|attachment| {
        let client = client.clone();
        async move { client.emit("m", Payload::Binary(attachment)).await }
    });
    let mut emits = Box::pin(futures_util::future::join_all(emits));
    // One poll: the first emit is stuck in its attachment, and the others wait behind it.
    assert!(emits.as_mut().now_or_never().is_none());
    start_reading.send(()).unwrap();
    for emitted in soon("the emits", emits).await {
        emitted.unwrap();
    }
    let kinds = soon("the frames", recorder).await.unwrap();
    // If packets were sent whole, this would be "hahaha".
    assert_eq!(kinds, "hahhaa");
}

// ---- Interoperation. ----

#[tokio::test]
async fn rust_socketio_exchanges_small_text_payloads_with_our_server() {
    let server = EchoServer::start().await.unwrap();
    let (client, mut received) = rust_socketio_client(server.addr()).await;
    for text in ["aGk/", "", "AAEC"] {
        let payload = Payload::from(serde_json::Value::from(text));
        client.emit("m", payload.clone()).await.unwrap();
        assert_eq!(soon("the echo", received.recv()).await, Some(payload));
    }
    client.disconnect().await.unwrap();
    soon("the server to stop", server.stop()).await;
}

#[tokio::test]
async fn our_client_exchanges_payloads_with_a_plain_socketioxide_server() {
    let address = plain_socketioxide(|socket| {
        socket.on(
            "m",
            async |socket: SocketRef, Data(payload): Data<serde_json::Value>| {
                socket.emit("m", &payload).unwrap();
            },
        );
    })
    .await;
    // As text: an attachment would appear in JSON as a placeholder.
    let sent: Vec<Bytes> = [&b"hi?"[..], b"", b"\x1e\x1e"]
        .map(Bytes::copy_from_slice)
        .into();
    for payload in sent {
        let received = soon("the echo", exchange(address, vec![payload.clone()])).await;
        assert_eq!(received.unwrap(), [payload]);
    }
    let sizes = [513, 65_536, 200 * 1024];
    let address = plain_socketioxide(|socket| {
        socket.on(
            "m",
            async |socket: SocketRef, Data(payload): Data<Bytes>| {
                socket.emit("m", &payload).unwrap();
            },
        );
    })
    .await;
    for size in sizes {
        let payload = Bytes::from(vec![0x1e; size]);
        let received = soon("the echo", exchange(address, vec![payload.clone()])).await;
        assert!(
            received.unwrap() == [payload],
            "{size} bytes came back changed"
        );
    }
}

/// Runs a script of `tests/js` with `port`, if node and its packages are installed. Otherwise returns `None` and prints
/// the reason on standard output. `scripts/test.sh` installs them.
async fn node(script: &str, port: u16) -> Option<String> {
    let directory: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    if !directory.join("node_modules/socket.io-client").is_dir() {
        println!(
            "skipped: no packages in {}; run `npm ci` there",
            directory.display()
        );
        return None;
    }
    let running = tokio::process::Command::new("node")
        .arg(directory.join(script))
        .arg(port.to_string())
        .kill_on_drop(true)
        .output();
    let output = match soon("node", running).await {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: node is not installed");
            return None;
        }
        Err(error) => panic!("cannot run node: {error}"),
    };
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {said}\n{complaint}");
    Some(said)
}

#[tokio::test]
async fn the_official_javascript_client_exchanges_payloads_with_our_server() {
    let server = EchoServer::start().await.unwrap();
    if let Some(said) = node("echo.mjs", server.addr().port()).await {
        assert_eq!(said, "OK 22");
    }
    soon("the server to stop", server.stop()).await;
}

// ---- Unauthenticated peers: anyone who speaks Socket.IO can connect to a port of the mesh, and is refused. ----

/// A mesh of a worker and a caller.
struct Visited {
    mesh: TestMesh<Hard>,
    worker: Node<Worker>,
    caller: Node<Caller>,
}

impl Visited {
    async fn start() -> Self {
        let mesh = TestMesh::<Hard>::start().await.unwrap();
        let worker = mesh.start_node(Worker::node(Hands::idle())).await.unwrap();
        let caller = mesh.start_node(Caller::node()).await.unwrap();
        caller.ready::<Worker>(1).await.unwrap();
        Self {
            mesh,
            worker,
            caller,
        }
    }

    fn ports(&self) -> [SocketAddr; 2] {
        [self.mesh.master().addr(), self.worker.addr()]
    }

    /// The attempt has affected nobody else.
    async fn serves_on(&self) {
        let answer = self.caller.client::<Worker>().echo("and now?".into());
        assert_eq!(answer.await.unwrap(), "and now?");
        assert_eq!(self.mesh.master().nodes().len(), 2);
        assert_eq!(self.worker.links().len(), 1);
    }
}

#[tokio::test]
async fn rust_socketio_as_a_stranger_is_disconnected_whether_it_talks_or_not() {
    let visited = Visited::start().await;
    for address in visited.ports() {
        for talks in [true, false] {
            let (joined, mut has_joined) = mpsc::unbounded_channel();
            let (closed, mut is_closed) = mpsc::unbounded_channel();
            let builder = ClientBuilder::new(format!("http://{address}"))
                .transport_type(TransportType::Websocket)
                .reconnect(false)
                .on(Event::Connect, move |_, _| {
                    let _ = joined.send(());
                    async {}.boxed()
                })
                .on(Event::Close, move |_, _| {
                    let _ = closed.send(());
                    async {}.boxed()
                });
            let client = soon("rust_socketio to connect", builder.connect()).await;
            let client = client.unwrap();
            soon("the server's answer", has_joined.recv()).await;
            if talks {
                let garbage = Payload::Binary(Bytes::from_static(b"this is no handshake"));
                client.emit("m", garbage).await.unwrap();
            }
            let told = soon("the server to close", is_closed.recv()).await;
            assert_eq!(told, Some(()));
        }
    }
    visited.serves_on().await;
}

#[tokio::test]
async fn the_official_javascript_client_as_a_stranger_is_disconnected() {
    let visited = Visited::start().await;
    for address in visited.ports() {
        if let Some(said) = node("stranger.mjs", address.port()).await {
            assert_eq!(said, "OK io server disconnect");
        }
    }
    visited.serves_on().await;
}
