//! Our client against servers that are silent, misbehave or are slow.

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

use super::*;

const OPEN: &str =
    r#"0{"sid":"s","upgrades":[],"pingInterval":5000,"pingTimeout":5000,"maxPayload":100000}"#;

type Peer = WebSocketStream<TcpStream>;

/// A port on which `serve` gets the first connection.
async fn tcp_server<F: Future<Output = ()> + Send + 'static>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        serve(tcp).await;
    });
    (port, task)
}

/// A port on which `serve` gets the first connection as a WebSocket, after the Engine.IO and Socket.IO opening.
async fn joined_server<F: Future<Output = ()> + Send + 'static>(
    open: &'static str,
    serve: impl FnOnce(Peer) -> F + Send + 'static,
) -> (u16, JoinHandle<()>) {
    tcp_server(move |tcp| async move {
        let mut peer = accept_async(tcp).await.unwrap();
        peer.send(Message::text(open)).await.unwrap();
        assert_eq!(next_text(&mut peer).await, "40");
        // A ping between the two must not confuse the client.
        peer.send(Message::text("2")).await.unwrap();
        assert_eq!(next_text(&mut peer).await, "3");
        let joined = Message::text(r#"40{"sid":"t"}"#);
        peer.send(joined).await.unwrap();
        serve(peer).await;
    })
    .await
}

async fn next_text(peer: &mut Peer) -> String {
    loop {
        match peer.next().await.unwrap().unwrap() {
            Message::Text(text) => return text.as_str().to_owned(),
            Message::Binary(_) => panic!("no text but an attachment"),
            _ => {}
        }
    }
}

/// Waits until the client has closed.
async fn until_closed(mut peer: Peer) {
    while let Some(Ok(_)) = peer.next().await {}
}

fn limits_with(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[tokio::test]
async fn a_port_that_says_nothing_times_out() {
    let (port, server) = tcp_server(|mut tcp| async move {
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let limits = limits_with(|limits| limits.connect = Duration::from_millis(50));
    let error = dial(port, &limits).await.err();
    assert!(
        matches!(error, Some(TransportError::ConnectTimedOut(_))),
        "{error:?}"
    );
    soon("the client to close", server).await.unwrap();
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = dial(port, &Limits::default()).await.err();
    assert!(
        matches!(error, Some(TransportError::Unreachable { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unreachable() {
    let (recorder, _inbound) = Recorded::new();
    // Every resolver refuses a name with an empty label, without a network request.
    let error = connect("no..name", 1, &Limits::default(), |_| recorder)
        .await
        .err();
    assert!(
        matches!(error, Some(TransportError::Unreachable { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_port_that_speaks_something_else_is_no_socketio_server() {
    for answer in [
        "220 mail.example ESMTP\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\n\r\n",
    ] {
        let (port, server) = tcp_server(move |mut tcp| async move {
            tcp.write_all(answer.as_bytes()).await.unwrap();
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let error = dial(port, &Limits::default()).await.err();
        assert!(
            matches!(error, Some(TransportError::NotSocketIo(_))),
            "{error:?}"
        );
        soon("the client to close", server).await.unwrap();
    }
}

#[tokio::test]
async fn a_websocket_without_engineio_is_no_socketio_server() {
    let (port, _server) = tcp_server(|tcp| async move {
        let mut peer = accept_async(tcp).await.unwrap();
        peer.send(Message::text("hello")).await.unwrap();
        until_closed(peer).await;
    })
    .await;
    let error = dial(port, &Limits::default()).await.err();
    assert!(
        matches!(error, Some(TransportError::NotSocketIo(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection_with_a_reason() {
    let header = || Message::text(codec::BINARY_HEADER);
    let attachment = || Message::Binary("x".into());
    let cases: Vec<Vec<Message>> = vec![
        vec![Message::text("é")],
        vec![Message::text("")],
        vec![Message::text("42")],
        vec![Message::text(r#"42["n","aGk/"]"#)],
        vec![Message::text(r#"42["m","aGk/",1]"#)],
        vec![Message::text(r#"421["m","aGk/"]"#)],
        vec![Message::text(r#"42["m","not base64"]"#)],
        vec![Message::text(
            r#"452-["m",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
        )],
        vec![Message::text(r#"451-["m",{"_placeholder":true,"num":1}]"#)],
        vec![Message::text(r#"40{"sid":"again"}"#)],
        vec![attachment()],
        vec![header(), header()],
        vec![header(), Message::text(r#"42["m","aGk/"]"#)],
        vec![header(), attachment(), attachment()],
    ];
    for case in cases {
        let shown = format!("{case:?}");
        let (port, server) = joined_server(OPEN, |mut peer| async move {
            for message in case {
                peer.send(message).await.unwrap();
            }
            until_closed(peer).await;
        })
        .await;
        let (_sink, inbound) = dial(port, &Limits::default()).await.unwrap();
        let reason = inbound.closed_at_last().await;
        assert!(
            matches!(reason, TransportError::Malformed(_)),
            "{shown}: {reason}"
        );
        soon("the client to close", server).await.unwrap();
    }
}

#[tokio::test]
async fn a_payload_that_is_too_large_ends_the_connection() {
    for size in [MAX_PAYLOAD_BYTES + 1, MAX_MESSAGE_BYTES + 1] {
        let (port, _server) = joined_server(OPEN, move |mut peer| async move {
            peer.send(Message::text(codec::BINARY_HEADER))
                .await
                .unwrap();
            // The client may be gone before all of it is written.
            let _ = peer.send(Message::Binary(bytes(size, 0))).await;
            until_closed(peer).await;
        })
        .await;
        let (_sink, inbound) = dial(port, &Limits::default()).await.unwrap();
        let reason = inbound.closed_at_last().await;
        assert!(
            matches!(reason, TransportError::TooLarge { .. }),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn other_spellings_of_the_same_event_are_understood() {
    let (port, _server) = joined_server(OPEN, |mut peer| async move {
        let texts = [r#"42["m","aGk/"]"#, r#"42[ "m" , "aGk\/" ]"#];
        for text in texts {
            peer.send(Message::text(text)).await.unwrap();
        }
        let header = r#"451-["m", {"num": 0, "_placeholder": true}]"#;
        peer.send(Message::text(header)).await.unwrap();
        peer.send(Message::Binary("hi?".into())).await.unwrap();
        until_closed(peer).await;
    })
    .await;
    let (_sink, mut inbound) = dial(port, &Limits::default()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(inbound.payload().await, "hi?");
    }
}

#[tokio::test]
async fn small_payloads_leave_as_text_and_large_ones_as_an_attachment() {
    let (port, server) = joined_server(OPEN, |mut peer| async move {
        assert_eq!(next_text(&mut peer).await, r#"42["m","aGk/"]"#);
        let text = next_text(&mut peer).await;
        assert!(text.starts_with(r#"42["m","#));
        assert_eq!(next_text(&mut peer).await, codec::BINARY_HEADER);
        match peer.next().await.unwrap().unwrap() {
            Message::Binary(attachment) => {
                assert!(attachment == bytes(MAX_TEXT_PAYLOAD_BYTES + 1, 1));
            }
            other => panic!("no attachment but {other:?}"),
        }
    })
    .await;
    let (mut sink, _inbound) = dial(port, &Limits::default()).await.unwrap();
    let batch = [
        "hi?".into(),
        bytes(MAX_TEXT_PAYLOAD_BYTES, 1),
        bytes(MAX_TEXT_PAYLOAD_BYTES + 1, 1),
    ];
    sink.send_all(batch).await.unwrap();
    soon("the server to check", server).await.unwrap();
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let open = r#"0{"sid":"s","pingInterval":40,"pingTimeout":10}"#;
    let (port, server) = joined_server(open, until_closed).await;
    let limits = limits_with(|limits| limits.silence_slack = Duration::from_millis(10));
    let (_sink, inbound) = dial(port, &limits).await.unwrap();
    let reason = inbound.closed_at_last().await;
    assert!(matches!(reason, TransportError::Silent), "{reason}");
    soon("the client to close", server).await.unwrap();
}

#[tokio::test]
async fn a_server_that_reads_nothing_ends_a_send_with_an_error() {
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let (port, server) = joined_server(OPEN, |peer| async move {
        let _ = released.await;
        drop(peer);
    })
    .await;
    let limits = limits_with(|limits| limits.write = Duration::from_millis(100));
    let (mut sink, inbound) = dial(port, &limits).await.unwrap();
    let stuck = async {
        loop {
            if let Err(error) = sink.send(bytes(MAX_PAYLOAD_BYTES, 0)).await {
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
    release.send(()).unwrap();
    soon("the server", server).await.unwrap();
}

#[tokio::test]
async fn close_is_bounded_when_the_server_does_not_react() {
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let (port, _server) = joined_server(OPEN, |peer| async move {
        let _ = released.await;
        drop(peer);
    })
    .await;
    let (mut sink, inbound) = dial(port, &Limits::default()).await.unwrap();
    soon("close", sink.close()).await;
    let reason = inbound.closed_at_last().await;
    assert!(matches!(reason, TransportError::ClosedHere), "{reason}");
    drop(release);
}

#[tokio::test]
async fn a_ping_is_answered_while_payloads_are_written() {
    let (port, server) = joined_server(OPEN, |mut peer| async move {
        // One pong may answer two pings that arrive together. Each ping that arrives later gets its own pong.
        for _ in 0..5 {
            peer.send(Message::text("2")).await.unwrap();
            while next_text(&mut peer).await != "3" {}
        }
    })
    .await;
    let (mut sink, _inbound) = dial(port, &Limits::default()).await.unwrap();
    let sending = tokio::spawn(async move { while sink.send("x".into()).await.is_ok() {} });
    soon("the pongs", server).await.unwrap();
    soon("the sender to notice the end", sending).await.unwrap();
}
