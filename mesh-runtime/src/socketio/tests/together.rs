//! Our client and our server with each other.

use super::*;

/// Sizes on both sides of every size boundary of the formats.
const BORDERS: [usize; 10] = [
    0,
    1,
    2,
    125,
    126,
    MAX_TEXT_PAYLOAD_BYTES,
    MAX_TEXT_PAYLOAD_BYTES + 1,
    65_535,
    65_536,
    MAX_PAYLOAD_BYTES,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_payloads_of_all_sizes_arrive_in_order_both_ways() {
    let mut server = TestServer::start(Limits::default()).await;
    let (mut sink, mut inbound, accepted) = server.link().await;
    let echo = tokio::spawn(async move {
        let Accepted {
            mut sink,
            mut inbound,
        } = accepted;
        for _ in 0..1000 {
            let payload = inbound.payload().await;
            sink.send(payload).await.unwrap();
        }
        (sink, inbound)
    });
    let sent: Vec<Bytes> = (0..1000)
        .map(|i| match BORDERS.get(i / 90) {
            Some(&border) if i % 90 == 0 => bytes(border, i),
            _ => bytes(i * 7919 % 9000, i),
        })
        .collect();
    let expected = sent.clone();
    let sending = tokio::spawn(async move {
        for batch in sent.chunks(7) {
            sink.send_all(batch.iter().cloned()).await.unwrap();
        }
        sink
    });
    for (i, expected) in expected.iter().enumerate() {
        assert!(inbound.payload().await == expected, "payload {i} differs");
    }
    let _sink = soon("the sender", sending).await.unwrap();
    soon("the echo", echo).await.unwrap();
}

#[tokio::test]
async fn a_server_can_send_before_it_has_heard_anything() {
    let mut server = TestServer::start(Limits::default()).await;
    let (_sink, mut inbound, mut accepted) = server.link().await;
    accepted.sink.send("hello".into()).await.unwrap();
    assert_eq!(inbound.payload().await, "hello");
}

#[tokio::test]
async fn a_payload_above_the_limit_is_not_sent_and_ends_the_connection() {
    let mut server = TestServer::start(Limits::default()).await;
    let large = bytes(MAX_PAYLOAD_BYTES + 1, 0);

    let (mut sink, inbound, accepted) = server.link().await;
    let error = sink.send(large.clone()).await.unwrap_err();
    assert!(matches!(error, TransportError::TooLarge { .. }), "{error}");
    assert!(matches!(
        inbound.closed_at_last().await,
        TransportError::TooLarge { .. }
    ));
    assert!(matches!(
        accepted.inbound.closed_at_last().await,
        TransportError::Closed
    ));

    let (_sink, inbound, mut accepted) = server.link().await;
    let error = accepted.sink.send(large).await.unwrap_err();
    assert!(matches!(error, TransportError::TooLarge { .. }), "{error}");
    assert!(matches!(
        accepted.inbound.closed_at_last().await,
        TransportError::TooLarge { .. }
    ));
    assert!(matches!(
        inbound.closed_at_last().await,
        TransportError::Closed
    ));
}

#[tokio::test]
async fn what_was_sent_before_a_close_arrives_on_either_side() {
    let mut server = TestServer::start(Limits::default()).await;
    for closed_by_client in [true, false] {
        let (mut sink, mut inbound, mut accepted) = server.link().await;
        let (closing, hearing) = if closed_by_client {
            (&mut sink, &mut accepted.inbound)
        } else {
            (&mut accepted.sink, &mut inbound)
        };
        for i in 0..50 {
            closing.send(bytes(20_000, i)).await.unwrap();
        }
        closing.close().await;
        for i in 0..50 {
            assert!(hearing.payload().await == bytes(20_000, i), "payload {i}");
        }
        assert!(matches!(hearing.closed().await, TransportError::Closed));
        let here = if closed_by_client {
            inbound
        } else {
            accepted.inbound
        };
        assert!(matches!(
            here.closed_at_last().await,
            TransportError::ClosedHere
        ));
    }
}

#[tokio::test]
async fn a_dropped_sink_and_a_closer_cut_the_connection() {
    let mut server = TestServer::start(Limits::default()).await;

    let (sink, inbound, accepted) = server.link().await;
    drop(sink);
    assert!(matches!(
        inbound.closed_at_last().await,
        TransportError::ClosedHere
    ));
    assert!(matches!(
        accepted.inbound.closed_at_last().await,
        TransportError::Closed
    ));

    let (_sink, inbound, accepted) = server.link().await;
    drop(accepted.sink);
    assert!(matches!(
        accepted.inbound.closed_at_last().await,
        TransportError::ClosedHere
    ));
    assert!(matches!(
        inbound.closed_at_last().await,
        TransportError::Closed
    ));

    let (mut sink, inbound, accepted) = server.link().await;
    sink.closer().abort();
    let error = sink.send("late".into()).await.unwrap_err();
    assert!(matches!(error, TransportError::ClosedHere), "{error}");
    assert!(matches!(
        inbound.closed_at_last().await,
        TransportError::ClosedHere
    ));
    assert!(matches!(
        accepted.inbound.closed_at_last().await,
        TransportError::Closed
    ));
}

#[tokio::test]
async fn a_break_ends_the_connection_and_nothing_is_delivered_after_it() {
    let mut server = TestServer::start(Limits::default()).await;
    let batch = || ["go", "stop", "late", "later"].map(Bytes::from);

    let (mut sink, inbound, mut accepted) = server.link().await;
    sink.send_all(batch()).await.unwrap();
    assert_eq!(accepted.inbound.payload().await, "go");
    assert_eq!(accepted.inbound.payload().await, "stop");
    assert!(matches!(
        accepted.inbound.closed().await,
        TransportError::ClosedHere
    ));
    assert!(matches!(
        inbound.closed_at_last().await,
        TransportError::Closed
    ));

    let (_sink, mut inbound, mut accepted) = server.link().await;
    accepted.sink.send_all(batch()).await.unwrap();
    assert_eq!(inbound.payload().await, "go");
    assert_eq!(inbound.payload().await, "stop");
    assert!(matches!(inbound.closed().await, TransportError::ClosedHere));
    assert!(matches!(
        accepted.inbound.closed_at_last().await,
        TransportError::Closed
    ));
}

#[tokio::test]
async fn pings_keep_an_idle_connection_alive() {
    let limits = Limits {
        ping_interval: Duration::from_millis(20),
        ping_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let mut server = TestServer::start(limits).await;
    let (mut sink, inbound, mut accepted) = server.link().await;
    // Longer than interval and timeout together. Without pongs, one side would have ended the connection by now.
    let idle = timeout(Duration::from_millis(1200), inbound.closed_at_last()).await;
    assert!(idle.is_err(), "ended while idle: {idle:?}");
    sink.send("still here".into()).await.unwrap();
    assert_eq!(accepted.inbound.payload().await, "still here");
}

#[tokio::test]
async fn a_refused_client_is_told_so() {
    struct Refuse;
    impl Acceptor for Refuse {
        fn accept(&self, _: Incoming) -> Option<Arc<dyn Inbound>> {
            None
        }
    }
    let server = start_server(Limits::default(), Arc::new(Refuse)).await;
    let error = dial(server.addr().port(), &Limits::default()).await.err();
    assert!(
        matches!(error, Some(TransportError::Refused(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn stop_ends_every_connection_and_frees_the_port() {
    let mut server = TestServer::start(Limits::default()).await;
    let address = server.server.addr();
    let (_sink, inbound, accepted) = server.link().await;
    let (_sink2, inbound2, accepted2) = server.link().await;
    soon("the server to stop", server.server.stop()).await;
    for inbound in [inbound, inbound2] {
        assert!(matches!(
            inbound.closed_at_last().await,
            TransportError::Closed
        ));
    }
    for accepted in [accepted, accepted2] {
        let reason = accepted.inbound.closed_at_last().await;
        assert!(matches!(reason, TransportError::ClosedHere), "{reason}");
    }
    TcpListener::bind(address).await.expect("the port is free");
}

#[tokio::test]
async fn a_dropped_server_ends_its_connections() {
    let mut server = TestServer::start(Limits::default()).await;
    let (_sink, inbound, accepted) = server.link().await;
    drop(server);
    assert!(matches!(
        inbound.closed_at_last().await,
        TransportError::Closed
    ));
    assert!(matches!(
        accepted.inbound.closed_at_last().await,
        TransportError::ClosedHere
    ));
}

#[tokio::test]
async fn an_ended_connection_leaves_nothing_behind() {
    let mut server = TestServer::start(Limits::default()).await;
    let (sink, inbound, accepted) = server.link().await;
    drop(sink);
    // `closed_at_last` waits until the recorder itself is dropped by all that hold it.
    inbound.closed_at_last().await;
    accepted.inbound.closed_at_last().await;
}
