//! Leases expire only if they are not renewed, and consumers that are gone leave nothing behind.

use std::{sync::Arc, time::Duration};

use futures_util::poll;
use mesh_runtime::queue::{Failure, Queue, QueueError, RedisQueue};
use mesh_tests::RedisServer;

use crate::{
    engines::{connect, enqueue, lease, name, shared_server, stats, until, within},
    workshop::{Bench, Worker, Workshop},
};

/// Short, but long enough that this process renews it in time even when it is busy.
const LEASE: Duration = Duration::from_secs(3);

/// A server, a prefix, and two consumers.
async fn two() -> (&'static RedisServer, String, [Arc<RedisQueue>; 2]) {
    let (server, prefix) = shared_server().await;
    let one = connect(&server.url(), &prefix).await.lease_time(LEASE);
    let two = connect(&server.url(), &prefix).await.lease_time(LEASE);
    (server, prefix, [one, two].map(Arc::new))
}

/// How many consumers the stream of that queue has.
async fn consumers(server: &RedisServer, prefix: &str, command: &str) -> usize {
    let stream = format!("{prefix}:{{Shop/Billing.{command}}}:jobs");
    let told = server
        .command(&["XINFO", "CONSUMERS", &stream, "workers"])
        .await;
    told.lines().filter(|line| *line == "name").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_nobody_renews_is_taken_over() {
    within(async {
        let (_, _, [gone, other]) = two().await;
        let queue = name("a");
        let id = enqueue(&*gone, &queue, "x").await;
        let job = lease(&*gone, &queue).await;
        assert_eq!((&job.id, job.attempt), (&id, 1));
        let mut waiting = other.lease(&queue, 8);
        assert!(poll!(&mut waiting).is_pending());
        drop(gone);
        let job = waiting.await.unwrap().remove(0);
        assert_eq!((&job.id, job.attempt), (&id, 2));
        let retry = Failure::Retry {
            after: Duration::ZERO,
        };
        let failed = other.fail(&queue, &job, "no".into(), retry).await;
        assert_eq!(failed, Ok(()));
        let job = lease(&*other, &queue).await;
        assert_eq!((&job.id, job.attempt), (&id, 3));
        assert_eq!(other.complete(&queue, &job).await, Ok(()));
        assert_eq!(stats(&*other, &queue).await, [0; 4]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_taken_over_cannot_be_ended_by_who_lost_it() {
    within(async {
        let (server, prefix, [late, other]) = two().await;
        let queue = name("a");
        enqueue(&*late, &queue, "x").await;
        let lost = lease(&*late, &queue).await;
        // Pretends that the consumer has been idle for a long time.
        let stream = format!("{prefix}:{{Shop/Billing.a}}:jobs");
        let steal = "
            local entry = redis.call('XRANGE', KEYS[1], '-', '+')[1][1]
            return redis.call('XCLAIM', KEYS[1], 'workers', 'nobody', 0, entry, 'IDLE', 3600000, 'JUSTID')";
        server.command(&["EVAL", steal, "1", &stream]).await;
        let job = lease(&*other, &queue).await;
        assert_eq!(job.id, lost.id);
        let not_leased = Err(QueueError::NotLeased {
            job: lost.id.clone(),
        });
        let failed = late.fail(&queue, &lost, "no".into(), Failure::Dead).await;
        assert_eq!(failed, not_leased);
        assert_eq!(late.release(&queue, &lost).await, not_leased);
        assert_eq!(stats(&*other, &queue).await, [0, 1, 0, 0]);
        assert_eq!(other.complete(&queue, &job).await, Ok(()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_takes_longer_than_its_lease_runs_once() {
    within(async {
        let (_, _, [one, other]) = two().await;
        let queue = name("a");
        enqueue(&*one, &queue, "long").await;
        let job = lease(&*one, &queue).await;
        // This test must wait for the real time of several leases.
        let taken = tokio::time::timeout(LEASE * 3, other.lease(&queue, 8)).await;
        assert!(taken.is_err(), "it was taken over: {taken:?}");
        assert_eq!(one.complete(&queue, &job).await, Ok(()));
        assert_eq!(stats(&*one, &queue).await, [0; 4]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_are_gone_are_removed() {
    within(async {
        let (server, prefix, [gone, other]) = two().await;
        let queue = name("a");
        for consumer in [&*gone, &*other] {
            enqueue(consumer, &queue, "x").await;
            let job = lease(consumer, &queue).await;
            assert_eq!(consumer.complete(&queue, &job).await, Ok(()));
        }
        assert_eq!(consumers(server, &prefix, "a").await, 2);
        // A consumer with a job stays until its lease has expired.
        enqueue(&*gone, &queue, "left").await;
        let left = lease(&*gone, &queue).await;
        drop(gone);
        let job = lease(&*other, &queue).await;
        assert_eq!(job.id, left.id);
        until("the other alone is left", async || {
            consumers(server, &prefix, "a").await == 1
        })
        .await;
        assert_eq!(other.complete(&queue, &job).await, Ok(()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_leaves_nothing_behind() {
    within(async {
        let (server, prefix, [one, other]) = two().await;
        let shared = name("a");
        for queue in [&shared, &shared.of("one")] {
            enqueue(&*one, queue, "x").await;
            let job = lease(&*one, queue).await;
            assert_eq!(one.complete(queue, &job).await, Ok(()));
            assert_eq!(one.leave(queue).await, Ok(()));
        }
        assert_eq!(consumers(server, &prefix, "a").await, 0);
        let of_instances = server.command(&["KEYS", &format!("{prefix}:*one*")]).await;
        assert_eq!(of_instances, "");
        // A consumer that left can come back.
        enqueue(&*other, &shared, "y").await;
        assert_eq!(&lease(&*one, &shared).await.payload[..], b"y");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_takes_longer_than_its_lease_runs_once() {
    within(async {
        let (_, _, engines) = two().await;
        let mesh = mesh_runtime::testing::TestMesh::<Workshop>::start()
            .await
            .unwrap();
        let (worker, mut runs) = Worker::new();
        let mut benches = Vec::new();
        for (number, engine) in engines.into_iter().enumerate() {
            let bench = Bench::node(worker.clone())
                .instance(number.to_string())
                .queue(engine);
            benches.push(mesh.start_node(bench).await.unwrap());
        }
        let office = crate::workshop::Office::node();
        let office = mesh.start_node(office).await.unwrap();
        office.ready::<Bench>(2).await.unwrap();
        let client = office.client::<Bench>();
        client.job("hold".into()).await.unwrap();
        runs.next().await;
        let again = tokio::time::timeout(LEASE * 3, runs.next()).await;
        assert!(again.is_err(), "it ran again: {again:?}");
        worker.open();
        let queue = benches[0].queues().job();
        until("it is complete", async || {
            crate::engines::counts(&queue.stats().await.unwrap()) == [0; 4]
        })
        .await;
        assert_eq!(runs.so_far(), []);
    })
    .await;
}
