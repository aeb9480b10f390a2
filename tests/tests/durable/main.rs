//! Queues in Redis while workers, Redis and the connections between them are killed, frozen and cut: no accepted job is
//! lost. The sequence depends on a seed: `MESH_TEST_SEED` repeats a run.

mod history;
mod site;
mod soak;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::HashMap, sync::Arc, time::Duration};

use mesh_runtime::{
    CallError,
    queue::{QueueAdmin, RedisQueue},
    testing::TestMesh,
};
use mesh_tests::RedisServer;
use rand::RngExt;
use tokio::time::{Instant, sleep};

use crate::{
    history::{Event, Violation},
    site::{Setup, Site, accepted, any, done, refused},
    support::factory::{Bench, Factory, Hands},
};

/// Names for workers.
const TWO: [&str; 2] = ["one", "two"];

async fn site() -> Site {
    Site::new(Setup::default()).await
}

#[tokio::test]
async fn workers_killed_in_mid_handler_lose_no_job() {
    let site = site().await;
    let mut chance = site.chance();
    let mut workers: HashMap<_, _> = TWO
        .map(String::from)
        .into_iter()
        .zip(site.workers(TWO).await)
        .collect();
    let load = site.load(8);
    for _ in 0..8 {
        site.history.does(chance.random_range(10..60)).await;
        let name = any(&mut chance, &workers);
        workers.remove(&name).expect("it is there").kill().await;
        workers.insert(name.clone(), site.worker(&name).await);
    }
    load.stop().await;
    let summary = site.verdict().await.unwrap();
    assert!(summary.done > 80, "{summary}");
}

#[tokio::test]
async fn a_worker_killed_between_the_end_of_the_handler_and_the_end_of_the_job_repeats_it() {
    let mut site = site().await;
    site.setup.defect = "never-ack";
    let mut bad = site.workers(["bad"]).await.pop().expect("one");
    for _ in 0..3 {
        site.send(0).await;
    }
    bad.says("ending").await;
    site.history.reaches(3, done).await;
    bad.kill().await;
    site.setup.defect = "none";
    let _good = site.worker("good").await;
    let summary = site.verdict().await.unwrap();
    assert_eq!((summary.done, summary.repeated), (3, 3), "{summary}");
}

#[tokio::test]
async fn the_checker_notices_jobs_that_end_before_their_handlers_run() {
    let mut site = site().await;
    site.setup.defect = "ack-first";
    let bad = site.workers(["bad"]).await.pop().expect("one");
    for _ in 0..4 {
        site.send(60_000).await;
    }
    let started = |event: &Event| matches!(event, Event::Started { .. });
    site.history.reaches(4, started).await;
    bad.kill().await;
    site.setup.defect = "none";
    let _good = site.worker("good").await;
    let violations = site.verdict().await.unwrap_err();
    assert!(
        matches!(&violations[..], [Violation::Lost(jobs)] if jobs.len() == 4),
        "{violations:?}"
    );
}

#[tokio::test]
async fn redis_killed_and_restarted_loses_no_job() {
    let mut site = site().await;
    let mut chance = site.chance();
    let _workers = site.workers(TWO).await;
    let load = site.load(8);
    for _ in 0..4 {
        site.history.accepts(chance.random_range(20..120)).await;
        site.redis.kill();
        let before = site.history.count(refused);
        site.history.reaches(before + 8, refused).await;
        site.redis.restart().await;
    }
    site.history.accepts(50).await;
    load.stop().await;
    let summary = site.verdict().await.unwrap();
    assert!(summary.refused >= 32, "{summary}");
}

#[tokio::test]
async fn redis_frozen_for_ten_seconds_loses_no_job_and_answers_no_caller_late() {
    let site = site().await;
    let _workers = site.workers(TWO).await;
    let load = site.load(8);
    site.history.accepts(50).await;
    site.redis.stop();
    let frozen = Instant::now();
    let before = site.history.count(accepted);
    // The job may be queued late, so the history must contain it.
    let number = site.number();
    site.history.push(Event::Refused {
        number,
        why: "frozen".into(),
    });
    let error = site
        .office
        .client::<Bench>()
        .work(number, 0)
        .timeout(Duration::from_secs(1))
        .await
        .unwrap_err();
    assert!(
        matches!(error, CallError::DeadlineExceeded { .. }) && error.maybe_executed(),
        "{error:?}"
    );
    sleep(Duration::from_secs(10).saturating_sub(frozen.elapsed())).await;
    let meanwhile = site.history.count(accepted) - before;
    assert!(
        meanwhile <= 8,
        "{meanwhile} jobs were accepted by a Redis that was frozen"
    );
    site.redis.cont();
    site.history.accepts(50).await;
    load.stop().await;
    site.verdict().await.unwrap();
}

#[tokio::test]
async fn cut_connections_to_redis_lose_no_job() {
    let site = site().await;
    let mut chance = site.chance();
    let _workers = site.workers(TWO).await;
    let load = site.load(8);
    for _ in 0..12 {
        site.history.does(chance.random_range(5..60)).await;
        site.proxy.cut();
    }
    site.history.does(20).await;
    load.stop().await;
    site.verdict().await.unwrap();
}

#[tokio::test]
async fn a_stalled_connection_to_redis_is_given_up() {
    let site = site().await;
    let _workers = site.workers(TWO).await;
    let load = site.load(4);
    site.history.does(20).await;
    site.proxy.stall();
    // New connections are not stalled.
    site.history.does(50).await;
    load.stop().await;
    site.verdict().await.unwrap();
}

#[tokio::test]
async fn all_workers_restarted_one_after_the_other_lose_no_job_and_refuse_none() {
    let site = site().await;
    let mut workers = site.workers(["one", "two", "three"]).await;
    let load = site.load(8);
    for _ in 0..2 {
        for name in ["one", "two", "three"] {
            site.history.does(20).await;
            workers.remove(0).end().await;
            workers.push(site.worker(name).await);
            site.office
                .ready::<Bench>(3)
                .timeout(Duration::from_secs(30))
                .await
                .unwrap();
        }
    }
    load.stop().await;
    let summary = site.verdict().await.unwrap();
    assert_eq!(site.history.refusals(), [""; 0], "{summary}");
    assert_eq!(
        summary.repeated, 0,
        "what was begun was finished: {summary}"
    );
}

#[tokio::test]
async fn a_job_that_always_panics_is_a_dead_letter_after_its_attempts() {
    let site = site().await;
    let _workers = site.workers(TWO).await;
    let client = site.office.client::<Bench>();
    let mut jobs = Vec::new();
    for number in 0..5 {
        jobs.push(client.doomed(number).await.unwrap().job_id.to_string());
    }
    let queue = site.queue("doomed");
    site.until(&queue, |stats| stats.dead == 5).await;
    let left = site.left(&queue).await;
    assert_eq!(left.waiting, 0);
    jobs.sort();
    assert_eq!(left.dead, jobs.into_iter().map(|job| (job, 3)).collect());
    let started = |event: &Event| matches!(event, Event::Started { .. });
    assert_eq!(site.history.count(started), 15);
}

#[tokio::test]
async fn a_job_that_outlives_its_lease_is_renewed_and_runs_once() {
    let site = Site::new(Setup {
        lease: Duration::from_millis(600),
        ..Setup::default()
    })
    .await;
    let _workers = site.workers(TWO).await;
    for _ in 0..3 {
        site.send(4_000).await;
    }
    let summary = site.verdict().await.unwrap();
    assert_eq!((summary.done, summary.repeated), (3, 0), "{summary}");
    let started = |event: &Event| matches!(event, Event::Started { .. });
    assert_eq!(site.history.count(started), 3);
}

#[tokio::test]
async fn the_jobs_of_a_frozen_worker_are_taken_over() {
    let site = site().await;
    let mut workers = site.workers(["frozen"]).await;
    let frozen = workers.pop().expect("one");
    for _ in 0..4 {
        site.send(1_000).await;
    }
    let started = |event: &Event| matches!(event, Event::Started { .. });
    site.history.reaches(4, started).await;
    frozen.signal("STOP");
    let _other = site.worker("other").await;
    site.history.reaches(4, done).await;
    frozen.signal("CONT");
    let summary = site.verdict().await.unwrap();
    assert_eq!(summary.done, 4, "{summary}");
    let again = |event: &Event| matches!(event, Event::Started { attempt: 2, .. });
    assert_eq!(site.history.count(again), 4);
}

#[tokio::test]
async fn a_caller_is_told_in_time_that_redis_is_away_and_nothing_is_kept_in_memory_instead() {
    let mut site = site().await;
    let _workers = site.workers(["one"]).await;
    site.send(0).await;
    site.verdict().await.unwrap();
    site.redis.kill();
    let mut refused = Vec::new();
    for _ in 0..3 {
        let number = site.number();
        let error = site
            .office
            .client::<Bench>()
            .work(number, 0)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, CallError::Queue { message, .. } if message.contains("Redis"))
                || matches!(error, CallError::DeadlineExceeded { .. }),
            "{error:?}"
        );
        refused.push(number);
    }
    site.redis.restart().await;
    // If the refused jobs had been kept, they would have run before a later one.
    let before = site.history.count(done);
    while site.history.count(done) == before {
        site.send(0).await;
    }
    site.verdict().await.unwrap();
    let kept =
        |event: &Event| matches!(event, Event::Started { number, .. } if refused.contains(number));
    assert_eq!(site.history.count(kept), 0);
}

#[tokio::test]
async fn the_jobs_of_an_instance_that_does_not_return_are_adopted_or_buried() {
    let site = Site::new(Setup {
        orphan_lease: Duration::from_secs(3),
        ..Setup::default()
    })
    .await;
    let mut workers = site.workers(TWO).await;
    let client = site.office.client::<Bench>();
    let (adopted, given_up) = (
        site.queue("adopted").of("two"),
        site.queue("given_up").of("two"),
    );
    let redis = RedisQueue::connect(&site.redis.url()).await.unwrap();
    redis.pause(&adopted).await.unwrap();
    redis.pause(&given_up).await.unwrap();
    for number in 0..5 {
        assert_eq!(client.adopted(number).only(["two"]).await.unwrap().len(), 1);
        assert_eq!(
            client.given_up(number).only(["two"]).await.unwrap().len(),
            1
        );
    }
    workers.pop().expect("two").kill().await;
    redis.resume(&adopted).await.unwrap();
    redis.resume(&given_up).await.unwrap();
    site.history.reaches(5, done).await;
    site.until(&given_up, |stats| stats.dead == 5).await;
    let letters = redis.dead_letters(&given_up.shared(), 9).await.unwrap();
    for letter in letters {
        assert_eq!((letter.queue, letter.attempts), (given_up.clone(), 0));
    }
    site.until(&adopted, |stats| stats.waiting + stats.running == 0)
        .await;
    assert_eq!(
        site.history.count(done),
        5,
        "those that were given up did not run"
    );
}

#[tokio::test]
async fn an_instance_that_returns_in_time_finds_its_jobs() {
    let site = site().await;
    let mut workers = site.workers(TWO).await;
    let client = site.office.client::<Bench>();
    let own = site.queue("given_up").of("two");
    let redis = RedisQueue::connect(&site.redis.url()).await.unwrap();
    redis.pause(&own).await.unwrap();
    for number in 0..5 {
        assert_eq!(
            client.given_up(number).only(["two"]).await.unwrap().len(),
            1
        );
    }
    workers.pop().expect("two").kill().await;
    redis.resume(&own).await.unwrap();
    let _back = site.worker("two").await;
    site.history.reaches(5, done).await;
    site.until(&own, |stats| stats.waiting + stats.running == 0)
        .await;
    assert_eq!(site.stats(&own).await.dead, 0);
}

#[tokio::test]
async fn a_random_instance_id_is_warned_of_where_jobs_belong_to_their_instance() {
    support::log::start();
    let redis = RedisServer::start().await;
    let mesh = TestMesh::<Factory>::start().await.unwrap();
    let bench = Bench::node(Hands { say: |_| {} });
    let queue = RedisQueue::connect(&redis.url()).await.unwrap();
    let _bench = mesh.start_node(bench.queue(Arc::new(queue))).await.unwrap();
    let line = support::log::line(&["WARN", "the instance id is random"]).await;
    assert!(line.contains("adopted"), "the first such command: {line}");
}
