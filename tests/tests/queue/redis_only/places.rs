//! Deployments of Redis: one server, a cluster, behind Sentinels; and the errors if there is no Redis.

use std::time::Duration;

use futures_util::future::join_all;
use mesh_runtime::queue::{Failure, NewJob, Queue, QueueAdmin, QueueError, RedisQueue};
use mesh_tests::{HeldPort, RedisServer};
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::engines::{LONG, SHORT, enqueue, lease, name, stats, text, until, within};

/// All operations of an engine, once.
async fn exercise(engine: RedisQueue) {
    let engine = &engine.timeout(Duration::from_secs(30)).orphan_lease(SHORT);
    // Several queues, so that a cluster has them on several servers.
    for command in ["a", "b", "c", "d", "e", "f"] {
        let queue = name(command);
        let keyed = || NewJob::new("one").dedupe("k", LONG);
        assert!(!engine.enqueue(&queue, keyed()).await.unwrap().duplicate);
        assert!(engine.enqueue(&queue, keyed()).await.unwrap().duplicate);
        let job = lease(engine, &queue).await;
        assert_eq!(text(&job.payload), "one");
        assert_eq!(engine.complete(&queue, &job).await, Ok(()));

        let delayed = NewJob::new("two").delay(SHORT);
        engine.enqueue(&queue, delayed).await.unwrap();
        let job = lease(engine, &queue).await;
        let retry = Failure::Retry { after: SHORT };
        let failed = engine.fail(&queue, &job, "no".into(), retry).await;
        assert_eq!(failed, Ok(()));
        let job = lease(engine, &queue).await;
        assert_eq!((&*text(&job.payload), job.attempt), ("two", 2));
        assert_eq!(engine.release(&queue, &job).await, Ok(()));
        let job = lease(engine, &queue).await;
        let failed = engine.fail(&queue, &job, "no".into(), Failure::Dead).await;
        assert_eq!(failed, Ok(()));
        assert_eq!(engine.dead_letters(&queue, 9).await.unwrap().len(), 1);
        let requeued = engine.requeue(&queue, &job.id, "three".into()).await;
        assert_eq!(requeued, Ok(true));

        engine.pause(&queue).await.unwrap();
        enqueue(engine, &queue, "four").await;
        assert!(engine.stats(&queue).await.unwrap().paused);
        engine.resume(&queue).await.unwrap();
        let own = queue.of("one");
        enqueue(engine, &own, "of an instance").await;
        let job = lease(engine, &own).await;
        assert_eq!(engine.complete(&own, &job).await, Ok(()));
        assert_eq!(engine.leave(&own).await, Ok(()));
        let gone = queue.of("gone");
        enqueue(engine, &gone, "left behind").await;
        assert_eq!(engine.orphans(&queue).await, Ok(vec![gone.clone()]));
        let job = lease(engine, &gone).await;
        assert_eq!(engine.complete(&gone, &job).await, Ok(()));
        assert_eq!(engine.leave(&gone).await, Ok(()));
        for expected in ["three", "four"] {
            let job = lease(engine, &queue).await;
            assert_eq!(text(&job.payload), expected);
            assert_eq!(engine.complete(&queue, &job).await, Ok(()));
        }
        assert_eq!(stats(engine, &queue).await, [0; 4]);
    }
}

/// Three servers that share the slots. The ports of their cluster bus are held as long as they run.
async fn start_cluster() -> Vec<(RedisServer, HeldPort)> {
    let started = (0..3).map(async |_| {
        let bus = HeldPort::any();
        let bus_port = bus.addr().port().to_string();
        let enabled = ["--cluster-enabled", "yes", "--cluster-port", &bus_port];
        (RedisServer::start_with(&enabled).await, bus)
    });
    let servers = join_all(started).await;
    let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
    let (first, first_bus) = &servers[0];
    let meet = [first.addr().port(), first_bus.addr().port()].map(|port| port.to_string());
    for ((server, _), (from, to)) in servers.iter().zip(slots) {
        server
            .command(&["CLUSTER", "ADDSLOTSRANGE", from, to])
            .await;
        server
            .command(&["CLUSTER", "MEET", "127.0.0.1", &meet[0], &meet[1]])
            .await;
    }
    for (server, _) in &servers {
        until("the cluster is complete", async || {
            let info = server.command(&["CLUSTER", "INFO"]).await;
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
        .await;
    }
    servers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_jobs() {
    within(async {
        let cluster = start_cluster().await;
        let urls: Vec<_> = cluster.iter().map(|(server, _)| server.url()).collect();
        // One of its nodes is enough to find the others.
        let engine = RedisQueue::connect_cluster(&[&*urls[0]]).await.unwrap();
        exercise(engine).await;
        let mut in_use = 0;
        for (server, _) in &cluster {
            in_use += usize::from(server.command(&["DBSIZE"]).await != "0");
        }
        assert!(in_use > 1, "the commands are spread over the cluster");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_say_where_jobs_are_kept() {
    within(async {
        let master = RedisServer::start().await;
        let sentinel = RedisServer::start_sentinel("shop", &master).await;
        let urls = [&*sentinel.url()];
        let engine = RedisQueue::connect_sentinel(&urls, "shop").await.unwrap();
        exercise(engine).await;
        assert_ne!(master.command(&["DBSIZE"]).await, "0");
        let unknown = RedisQueue::connect_sentinel(&urls, "other").await;
        assert_says(unknown, &["Redis"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_keeps_jobs_in_the_database_of_its_url() {
    within(async {
        let server = RedisServer::start().await;
        let url = format!("{}/3", server.url());
        let engine = RedisQueue::connect(&url).await.unwrap();
        exercise(engine).await;
        assert_eq!(server.command(&["DBSIZE"]).await, "0");
        assert_ne!(server.command(&["-n", "3", "DBSIZE"]).await, "0");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_in_the_url() {
    within(async {
        let server = RedisServer::start().await;
        server
            .command(&["CONFIG", "SET", "requirepass", "sesame"])
            .await;
        assert_says(RedisQueue::connect(&server.url()).await, &["NOAUTH"]);
        let url = format!("redis://:wrong@{}", server.addr());
        let error = assert_says(RedisQueue::connect(&url).await, &["Redis"]);
        assert!(!error.contains("wrong@"), "no password is told: {error}");
        let url = format!("redis://:sesame@{}", server.addr());
        let engine = RedisQueue::connect(&url).await.unwrap();
        exercise(engine).await;
    })
    .await;
}

#[track_caller]
fn assert_says(connected: Result<RedisQueue, QueueError>, parts: &[&str]) -> String {
    let error = connected.unwrap_err();
    assert!(matches!(error, QueueError::Engine(_)), "{error:?}");
    let said = error.to_string();
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_there_is_an_error() {
    within(async {
        let nobody = HeldPort::any();
        let url = format!("redis://{}", nobody.addr());
        assert_says(RedisQueue::connect(&url).await, &["refused"]);
        assert_says(RedisQueue::connect_cluster(&[&*url]).await, &["Redis"]);
        assert_says(
            RedisQueue::connect_sentinel(&[&*url], "x").await,
            &["Redis"],
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_none_is_an_error() {
    within(async {
        for url in ["", "nonsense", "http://127.0.0.1:6379", "redis://"] {
            assert_says(RedisQueue::connect(url).await, &["Redis"]);
        }
        assert_says(RedisQueue::connect_cluster(&[]).await, &["Redis"]);
        assert_says(RedisQueue::connect_sentinel(&[], "x").await, &["Redis"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_redis_is_an_error() {
    within(async {
        for answer in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("redis://{}", listener.local_addr().unwrap());
            let served = tokio::spawn(async move {
                let mut connections = Vec::new();
                while let Ok((mut connection, _)) = listener.accept().await {
                    // A client that has already disconnected needs no reply.
                    let _ = connection.write_all(answer).await;
                    connections.push(connection);
                }
            });
            assert_says(RedisQueue::connect(&url).await, &["Redis"]);
            served.abort();
        }
    })
    .await;
}
