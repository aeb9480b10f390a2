//! Redis loses data, is full, or holds entries that are not jobs: everything that is not affected keeps working.

use std::sync::Arc;

use futures_util::poll;
use mesh_runtime::{
    queue::{Failure, NewJob, Queue, QueueAdmin, QueueError, RedisQueue},
    testing::TestMesh,
};
use mesh_tests::RedisServer;

use crate::{
    engines::{connect, enqueue, lease, lease_texts, name, shared_server, stats, until, within},
    workshop::{Bench, Office, Worker, Workshop},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_after_redis_has_forgotten_everything() {
    within(async {
        let server = RedisServer::start().await;
        let mesh = TestMesh::<Workshop>::start().await.unwrap();
        let (worker, mut runs) = Worker::new();
        let bench = Bench::node(worker)
            .instance("one")
            .queue(Arc::new(connect(&server.url(), "mesh").await));
        let _bench = mesh.start_node(bench).await.unwrap();
        let office = mesh.start_node(Office::node()).await.unwrap();
        office.ready::<Bench>(1).await.unwrap();
        let client = office.client::<Bench>();
        for round in 0..3 {
            for command in [&["FLUSHALL"][..], &["SCRIPT", "FLUSH"]] {
                server.command(command).await;
            }
            let text = round.to_string();
            client.job(text.clone()).await.unwrap();
            assert_eq!(runs.next().await.text, text);
            client.jobs(text.clone()).await.unwrap();
            assert_eq!(runs.next().await.text, text);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_does_not_stop_the_others() {
    within(async {
        let (server, prefix) = shared_server().await;
        let engine = connect(&server.url(), &prefix).await;
        let queue = name("a");
        let stream = format!("{prefix}:{{Shop/Billing.a}}:jobs");
        let garbage = async || {
            for fields in [&["x", "y"][..], &["i", "", "n", "-1", "t", "?", "p", "p"]] {
                let mut add = vec!["XADD", &stream, "*"];
                add.extend(fields);
                server.command(&add).await;
            }
        };
        for round in ["one", "two", "three"] {
            garbage().await;
            enqueue(&engine, &queue, round).await;
            garbage().await;
            let job = lease(&engine, &queue).await;
            assert_eq!(&job.payload[..], round.as_bytes());
            assert_eq!(engine.complete(&queue, &job).await, Ok(()));
        }
    })
    .await;
}

/// A server that has no room left.
async fn full() -> (RedisServer, RedisQueue) {
    let server = RedisServer::start().await;
    let engine = connect(&server.url(), "mesh").await;
    let queue = name("a");
    for text in ["complete", "dead", "retry", "release"] {
        enqueue(&engine, &queue, text).await;
    }
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    (server, engine)
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_memory_no_job_is_accepted_and_those_that_are_there_go_on() {
    within(async {
        let (server, engine) = full().await;
        let queue = name("a");
        let refused = engine.enqueue(&queue, NewJob::new("x")).await.unwrap_err();
        assert!(matches!(refused, QueueError::Engine(_)), "{refused:?}");
        assert!(refused.to_string().contains("OOM"), "{refused}");
        assert_eq!(stats(&engine, &queue).await, [4, 0, 0, 0]);

        let complete = lease(&engine, &queue).await;
        assert_eq!(engine.complete(&queue, &complete).await, Ok(()));
        let dead = lease(&engine, &queue).await;
        let failed = engine.fail(&queue, &dead, "no".into(), Failure::Dead).await;
        assert_eq!(failed, Ok(()));
        let retried = lease(&engine, &queue).await;
        let after = crate::engines::SHORT;
        let retry = Failure::Retry { after };
        let failed = engine.fail(&queue, &retried, "no".into(), retry).await;
        assert_eq!(failed, Ok(()));
        let released = lease(&engine, &queue).await;
        assert_eq!(engine.release(&queue, &released).await, Ok(()));
        let mut texts = lease_texts(&engine, &queue, 2).await;
        texts.sort();
        assert_eq!(texts, ["release", "retry"]);
        assert_eq!(engine.purge(&queue, &dead.id).await, Ok(true));

        server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
        enqueue(&engine, &queue, "there is room again").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_dropped_when_its_jobs_have_just_come_gives_them_back() {
    within(async {
        let (server, prefix) = shared_server().await;
        let engine = Arc::new(connect(&server.url(), &prefix).await);
        let queue = name("a");
        for _ in 0..20 {
            let mut dropped = engine.lease(&queue, 8);
            assert!(poll!(&mut dropped).is_pending());
            enqueue(&*engine, &queue, "x").await;
            until("the job is leased", async || {
                stats(&*engine, &queue).await == [0, 1, 0, 0]
            })
            .await;
            drop(dropped);
            let job = lease(&*engine, &queue).await;
            assert_eq!(job.attempt, 1);
            assert_eq!(engine.complete(&queue, &job).await, Ok(()));
        }
    })
    .await;
}
