//! Our server against clients that are silent, misbehave or are slow.

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::*;

type Peer = WebSocketStream<TcpStream>;

/// A WebSocket to the server, after Engine.IO's open packet and before CONNECT.
async fn opened(port: u16) -> Peer {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let url = format!("ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket");
    let (mut peer, _) = client_async(url, tcp).await.unwrap();
    assert!(next_text(&mut peer).await.starts_with("0{"));
    peer
}

/// A WebSocket to the server that has joined the namespace.
async fn joined(server: &mut TestServer) -> (Peer, Accepted) {
    let mut peer = opened(server.port()).await;
    peer.send(Message::text("40")).await.unwrap();
    let mut answer = next_text(&mut peer).await;
    if answer == "2" {
        // The server pings as soon as the connection is open.
        answer = next_text(&mut peer).await;
    }
    assert!(answer.starts_with("40{"), "{answer}");
    (peer, server.accepted().await)
}

async fn next_text(peer: &mut Peer) -> String {
    loop {
        match soon("a message", peer.next()).await.unwrap().unwrap() {
            Message::Text(text) => return text.as_str().to_owned(),
            Message::Binary(_) => panic!("no text but an attachment"),
            _ => {}
        }
    }
}

/// Waits until the server has closed.
async fn until_closed(peer: &mut Peer) {
    soon("the server to close", async {
        while let Some(Ok(_)) = peer.next().await {}
    })
    .await;
}

/// Makes one HTTP/1.1 request by hand. Returns everything that arrives until the server closes or `enough` has arrived.
async fn http(port: u16, request: &str, enough: &str) -> String {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&answer).contains(enough) {
            if tcp.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    soon("an answer", reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn what_breaks_the_protocol_ends_that_connection_and_no_other() {
    let mut server = TestServer::start(Limits::default()).await;
    let (mut good, _good_inbound, mut good_accepted) = server.link().await;
    let header = || Message::text(codec::BINARY_HEADER);
    let attachment = || Message::Binary("x".into());
    let cases: Vec<Vec<Message>> = vec![
        vec![Message::text("é")],
        vec![Message::text("")],
        vec![Message::text("4")],
        vec![Message::text("garbage")],
        vec![Message::text("42")],
        vec![Message::text("42{}")],
        vec![Message::text(r#"42["n","aGk/"]"#)],
        vec![Message::text(r#"42["m"]"#)],
        vec![Message::text(r#"42["m","aGk/",1]"#)],
        vec![Message::text(r#"421["m","aGk/"]"#)],
        vec![Message::text(r#"42["m","not base64"]"#)],
        vec![Message::text(
            r#"452-["m",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
        )],
        vec![Message::text(r#"450-["m",{"_placeholder":true,"num":0}]"#)],
        vec![
            Message::text(r#"451-["m",{"_placeholder":true,"num":1}]"#),
            attachment(),
        ],
        vec![attachment()],
        vec![header(), header()],
        vec![header(), Message::text(r#"42["m","aGk/"]"#)],
        vec![header(), attachment(), attachment()],
    ];
    for case in cases {
        let shown = format!("{case:?}");
        let (mut peer, accepted) = joined(&mut server).await;
        for message in case {
            // The server may have closed before the last message is sent.
            let _ = peer.send(message).await;
        }
        until_closed(&mut peer).await;
        let reason = accepted.inbound.closed_at_last().await;
        assert!(
            matches!(reason, TransportError::Malformed(_)),
            "{shown}: {reason}"
        );
    }
    good.send("unharmed".into()).await.unwrap();
    assert_eq!(good_accepted.inbound.payload().await, "unharmed");
}

#[tokio::test]
async fn a_payload_that_is_too_large_ends_the_connection() {
    let mut server = TestServer::start(Limits::default()).await;

    let (mut peer, accepted) = joined(&mut server).await;
    peer.send(Message::text(codec::BINARY_HEADER))
        .await
        .unwrap();
    let _ = peer
        .send(Message::Binary(bytes(MAX_PAYLOAD_BYTES + 1, 0)))
        .await;
    let reason = accepted.inbound.closed_at_last().await;
    assert!(
        matches!(reason, TransportError::TooLarge { .. }),
        "{reason}"
    );

    // A frame larger than the limit for a WebSocket message is refused before it is read.
    let (mut peer, accepted) = joined(&mut server).await;
    peer.send(Message::text(codec::BINARY_HEADER))
        .await
        .unwrap();
    let _ = peer
        .send(Message::Binary(bytes(MAX_MESSAGE_BYTES + 1, 0)))
        .await;
    let reason = accepted.inbound.closed_at_last().await;
    assert!(matches!(reason, TransportError::Malformed(_)), "{reason}");
}

#[tokio::test]
async fn both_spellings_of_a_payload_are_understood() {
    let mut server = TestServer::start(Limits::default()).await;
    let (mut peer, mut accepted) = joined(&mut server).await;
    let largest = codec::text_message(&bytes(MAX_PAYLOAD_BYTES, 5));
    peer.send(Message::text(r#"42["m","aGk/"]"#)).await.unwrap();
    peer.send(Message::text(codec::BINARY_HEADER))
        .await
        .unwrap();
    peer.send(Message::Binary("hi?".into())).await.unwrap();
    peer.send(Message::text(largest)).await.unwrap();
    assert_eq!(accepted.inbound.payload().await, "hi?");
    assert_eq!(accepted.inbound.payload().await, "hi?");
    assert!(accepted.inbound.payload().await == bytes(MAX_PAYLOAD_BYTES, 5));
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_however_it_leaves() {
    let mut server = TestServer::start(Limits::default()).await;
    for goodbye in [
        Some(Message::text("41")),
        Some(Message::text("1")),
        Some(Message::Close(None)),
        None,
    ] {
        let (mut peer, accepted) = joined(&mut server).await;
        let shown = format!("{goodbye:?}");
        match goodbye {
            Some(goodbye) => peer.send(goodbye).await.unwrap(),
            None => drop(peer),
        }
        let reason = accepted.inbound.closed_at_last().await;
        assert!(
            matches!(reason, TransportError::Closed),
            "{shown}: {reason}"
        );
    }
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_given_up() {
    let limits = Limits {
        ping_interval: Duration::from_millis(20),
        ping_timeout: Duration::from_millis(30),
        ..Limits::default()
    };
    let mut server = TestServer::start(limits).await;
    let (mut peer, accepted) = joined(&mut server).await;
    let reason = accepted.inbound.closed_at_last().await;
    assert!(matches!(reason, TransportError::Silent), "{reason}");
    until_closed(&mut peer).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_ends_a_send_with_an_error() {
    let limits = Limits {
        write: Duration::from_millis(100),
        ..Limits::default()
    };
    let mut server = TestServer::start(limits).await;
    for size in [MAX_PAYLOAD_BYTES, MAX_TEXT_PAYLOAD_BYTES] {
        let (peer, accepted) = joined(&mut server).await;
        let Accepted { mut sink, inbound } = accepted;
        let stuck = async {
            loop {
                if let Err(error) = sink.send(bytes(size, 0)).await {
                    return error;
                }
            }
        };
        let error = soon("a send to fail", stuck).await;
        assert!(matches!(error, TransportError::WriteTimedOut(_)), "{error}");
        // Although the peer still reads nothing, the connection is over on our side.
        let reason = inbound.closed_at_last().await;
        assert!(
            matches!(reason, TransportError::WriteTimedOut(_)),
            "{reason}"
        );
        drop(peer);
    }
}

#[tokio::test]
async fn stop_is_bounded_when_a_client_reads_nothing() {
    let mut server = TestServer::start(Limits::default()).await;
    let (peer, accepted) = joined(&mut server).await;
    let Accepted { mut sink, inbound } = accepted;
    // Fill everything between us and the peer, until a send waits.
    let filling = async { while sink.send(bytes(MAX_PAYLOAD_BYTES, 0)).await.is_ok() {} };
    let stuck = timeout(Duration::from_millis(300), filling).await;
    assert!(stuck.is_err(), "the peer took it all");
    soon("the server to stop", server.server.stop()).await;
    inbound.closed_at_last().await;
    drop(peer);
}

#[tokio::test]
async fn plain_http_is_served_beside_socketio() {
    let server = TestServer::start(Limits::default()).await;
    let health = http(server.port(), HEALTH, "ok\n").await;
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
    assert!(health.ends_with("\r\n\r\nok\n"), "{health}");
    // Asks the server to close after the answer, so that the whole answer is read.
    let asked = async |first_line: &str| {
        let request = format!("{first_line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        http(server.port(), &request, "never said").await
    };
    let head = asked("HEAD /health").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-length: 3\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let posted = asked("POST /health").await;
    assert!(posted.starts_with("HTTP/1.1 405"), "{posted}");
    assert!(posted.contains("allow: GET, HEAD\r\n"), "{posted}");
    for elsewhere in ["GET /else", "GET /", "GET /health/", "POST /else"] {
        let answer = asked(elsewhere).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{elsewhere}: {answer}");
    }
    let polling = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n";
    let polling = http(server.port(), polling, "\r\n\r\n").await;
    assert!(polling.starts_with("HTTP/1.1 400"), "{polling}");
}

#[tokio::test]
async fn garbage_instead_of_http_is_refused_and_others_are_served() {
    let mut server = TestServer::start(Limits::default()).await;
    let answer = http(server.port(), "\u{0}\u{1}garbage\r\n\r\n", "\r\n\r\n").await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000));
    let answer = http(server.port(), &long, "\r\n\r\n").await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
    server.link().await;
}

#[tokio::test]
async fn connections_that_prove_of_no_use_are_closed() {
    let limits = Limits {
        connect: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = TestServer::start(limits).await;
    // A client that sends nothing, one that stops in the middle of a request, and one that stays after the answer.
    for request in ["", "GET /health HT", HEALTH] {
        http(server.port(), request, "never said").await;
    }
    // A client that never asks for the namespace.
    until_closed(&mut opened(server.port()).await).await;
    // A client that asks for another namespace.
    let mut peer = opened(server.port()).await;
    peer.send(Message::text("40/admin,")).await.unwrap();
    until_closed(&mut peer).await;
}

#[tokio::test]
async fn the_acceptor_is_asked_once_a_connection() {
    let mut server = TestServer::start(Limits::default()).await;
    let (mut peer, mut accepted) = joined(&mut server).await;
    peer.send(Message::text("40")).await.unwrap();
    peer.send(Message::text(r#"42["m","aGk/"]"#)).await.unwrap();
    assert_eq!(accepted.inbound.payload().await, "hi?");
    assert!(server.accepted.try_recv().is_err());
}
