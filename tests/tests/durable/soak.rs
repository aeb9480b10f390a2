//! After many jobs, Redis holds as much as before.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use mesh_runtime::queue::{Failure, NewJob, Queue, QueueAdmin, QueueName, RedisQueue};
use mesh_tests::RedisServer;
use tokio::time::{Instant, sleep};

const ROUNDS: usize = 12;
const JOBS: usize = 1_500;
/// Tolerance for buffers of connections, which vary. A job takes some 200 bytes, so a leak of a twentieth of the jobs
/// would show.
const TOLERANCE: i64 = 256 * 1024;

fn name(instance: Option<&str>) -> QueueName {
    let shared = QueueName::new("Soak", "Bench", "work");
    match instance {
        Some(instance) => shared.of(instance),
        None => shared,
    }
}

/// A process that starts, empties a queue and ends: some jobs fail first, some become dead letters, some are delayed,
/// some are queued twice.
async fn round(redis: &RedisServer, queue: &QueueName, number: usize) {
    let engine = RedisQueue::connect(&redis.url()).await.unwrap();
    let enqueue = |at: usize| {
        let (engine, queue) = (&engine, &queue);
        async move {
            let job = NewJob::new(vec![7; 100]);
            let job = match at % 5 {
                0 => job.delay(Duration::from_millis(20)),
                1 => job.dedupe(format!("{number}-{}", at / 10), Duration::from_millis(500)),
                _ => job,
            };
            let queued = engine.enqueue(queue, job).await.unwrap();
            usize::from(!queued.duplicate)
        }
    };
    let accepted: usize = join_all((0..JOBS).map(enqueue)).await.into_iter().sum();
    let mut ended = 0;
    while ended < accepted {
        for (at, job) in engine.lease(queue, 64).await.unwrap().iter().enumerate() {
            let error = || Bytes::from_static(b"it failed");
            match (at % 10, job.attempt) {
                (0, 1) => {
                    let after = Duration::from_millis(10);
                    let failure = Failure::Retry { after };
                    engine.fail(queue, job, error(), failure).await.unwrap();
                    continue;
                }
                (1, _) => engine
                    .fail(queue, job, error(), Failure::Dead)
                    .await
                    .unwrap(),
                (2, 1) => {
                    engine.release(queue, job).await.unwrap();
                    continue;
                }
                _ => engine.complete(queue, job).await.unwrap(),
            }
            ended += 1;
        }
    }
    for letter in engine.dead_letters(queue, usize::MAX).await.unwrap() {
        assert!(engine.purge(queue, &letter.job_id).await.unwrap());
    }
    let stats = engine.stats(queue).await.unwrap();
    assert_eq!(
        (stats.waiting, stats.running, stats.delayed, stats.dead),
        (0, 0, 0, 0)
    );
    engine.leave(queue).await.unwrap();
}

async fn used_memory(redis: &RedisServer) -> i64 {
    let info = redis.command(&["INFO", "memory"]).await;
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    used.expect("Redis tells").trim().parse().unwrap()
}

/// The keys that exist once those that are about to expire have expired.
async fn keys(redis: &RedisServer, expected: usize) -> String {
    let give_up = Instant::now() + Duration::from_secs(30);
    loop {
        let keys = redis.command(&["KEYS", "*"]).await;
        if keys.lines().filter(|line| !line.is_empty()).count() <= expected
            || Instant::now() > give_up
        {
            return keys;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn redis_holds_no_more_after_many_jobs_than_before() {
    let redis = RedisServer::start().await;
    let shared = name(None);
    round(&redis, &shared, 0).await;
    let before = used_memory(&redis).await;
    for number in 1..=ROUNDS {
        round(&redis, &shared, number).await;
    }
    // The stream with its group, and the counter.
    let left = keys(&redis, 2).await;
    assert!(
        left.lines().filter(|line| !line.is_empty()).count() <= 2,
        "{left}"
    );
    let after = used_memory(&redis).await;
    println!(
        "{before} bytes before, {after} after {} jobs",
        ROUNDS * JOBS
    );
    assert!(
        after - before < TOLERANCE,
        "{before} bytes before, {after} after"
    );
    let consumers = redis
        .command(&[
            "XINFO",
            "CONSUMERS",
            "mesh:{Soak/Bench.work}:jobs",
            "workers",
        ])
        .await;
    assert_eq!(consumers.trim(), "", "all have left");
}

#[tokio::test]
async fn instances_that_come_and_go_leave_nothing_behind() {
    let redis = RedisServer::start().await;
    for number in 0..20 {
        let own = name(Some(&format!("random-{number}")));
        let engine = RedisQueue::connect(&redis.url()).await.unwrap();
        engine.enqueue(&own, NewJob::new("x")).await.unwrap();
        let job = engine.lease(&own, 1).await.unwrap().remove(0);
        engine.complete(&own, &job).await.unwrap();
        engine.leave(&own).await.unwrap();
    }
    let left = keys(&redis, 0).await;
    assert_eq!(left.trim(), "", "nothing is left");
}
