//! The engine in memory by itself: waiting leases, delays and pauses.

use std::time::Duration;

use futures_util::FutureExt;

use super::*;
use crate::queue::QueueStats;

fn name(command: &str) -> QueueName {
    QueueName::new("Shop", "Billing", command)
}

async fn enqueue(engine: &MemoryQueue, queue: &QueueName, payload: &'static str) -> JobId {
    let accepted = engine.enqueue(queue, NewJob::new(payload)).await.unwrap();
    assert!(!accepted.duplicate);
    accepted.job_id
}

/// Queues a job and buries it.
async fn bury(engine: &MemoryQueue, queue: &QueueName, payload: &'static str) -> JobId {
    enqueue(engine, queue, payload).await;
    let job = engine.lease(queue, 1).await.unwrap().remove(0);
    engine
        .fail(queue, &job, "no".into(), Failure::Dead)
        .await
        .unwrap();
    job.id
}

#[tokio::test]
async fn queues_of_one_engine_are_apart() {
    let engine = MemoryQueue::new();
    let of_one_instance = name("a").of("billing-1");
    let a = enqueue(&engine, &name("a"), "1").await;
    let b = enqueue(&engine, &of_one_instance, "2").await;
    assert_ne!(a, b);
    assert_eq!(engine.lease(&name("a"), 9).await.unwrap()[0].id, a);
    assert_eq!(engine.lease(&of_one_instance, 9).await.unwrap()[0].id, b);
}

#[tokio::test]
async fn a_lease_waits_until_there_is_a_job() {
    let engine = MemoryQueue::new();
    let name = name("a");
    let (jobs, id) = tokio::join!(engine.lease(&name, 9), enqueue(&engine, &name, "x"));
    assert_eq!(jobs.unwrap()[0].id, id);
}

#[tokio::test]
async fn a_dropped_lease_loses_no_job() {
    let engine = MemoryQueue::new();
    let name = name("a");
    let mut dropped = engine.lease(&name, 9);
    let mut kept = engine.lease(&name, 9);
    assert!((&mut dropped).now_or_never().is_none());
    assert!((&mut kept).now_or_never().is_none());
    let id = enqueue(&engine, &name, "x").await;
    // It has been woken, but not polled since.
    drop(dropped);
    assert_eq!(engine.stats(&name).await.unwrap().running, 0);
    assert_eq!(kept.await.unwrap()[0].id, id);
}

#[tokio::test(start_paused = true)]
async fn a_lease_waits_for_a_delayed_job_and_sees_an_earlier_one_come() {
    let engine = MemoryQueue::new();
    let name = name("a");
    let late = NewJob::new("late").at(SystemTime::now() + Duration::from_secs(3_600));
    let soon = NewJob::new("soon").delay(Duration::from_secs(60));
    let start = Instant::now();
    engine.enqueue(&name, late).await.unwrap();
    let mut lease = engine.lease(&name, 9);
    assert!((&mut lease).now_or_never().is_none());
    engine.enqueue(&name, soon).await.unwrap();
    assert_eq!(lease.await.unwrap()[0].payload, "soon");
    assert!(start.elapsed() < Duration::from_secs(3_000));
    assert_eq!(engine.lease(&name, 9).await.unwrap()[0].payload, "late");
}

#[tokio::test]
async fn a_time_that_has_passed_delays_nothing() {
    let engine = MemoryQueue::new();
    let name = name("a");
    let job = NewJob::new("x").at(SystemTime::UNIX_EPOCH);
    engine.enqueue(&name, job).await.unwrap();
    assert_eq!(engine.stats(&name).await.unwrap().waiting, 1);
}

#[tokio::test]
async fn a_lease_of_a_paused_queue_waits_until_that_is_resumed() {
    let engine = MemoryQueue::new();
    let name = name("a");
    engine.pause(&name).await.unwrap();
    let id = enqueue(&engine, &name, "x").await;
    let mut lease = engine.lease(&name, 9);
    assert!((&mut lease).now_or_never().is_none());
    assert!(engine.stats(&name).await.unwrap().paused);
    engine.resume(&name).await.unwrap();
    assert_eq!(lease.await.unwrap()[0].id, id);
}

#[tokio::test]
async fn each_queue_remembers_its_own_keys() {
    let engine = MemoryQueue::new();
    let (one, other) = (name("a").of("1"), name("a").of("2"));
    let job = || NewJob::new("x").dedupe("k", Duration::MAX);
    let first = engine.enqueue(&one, job()).await.unwrap();
    let repeated = engine.enqueue(&one, job()).await.unwrap();
    assert_eq!((repeated.job_id, repeated.duplicate), (first.job_id, true));
    assert!(!engine.enqueue(&other, job()).await.unwrap().duplicate);
}

#[tokio::test]
async fn a_queue_with_all_the_keys_it_may_have_is_full_for_jobs_with_another() {
    let engine = MemoryQueue::new().max_keys(1);
    let name = name("a");
    let keyed = |key| NewJob::new("x").dedupe(key, Duration::MAX);
    engine.enqueue(&name, keyed("one")).await.unwrap();
    let full = engine.enqueue(&name, keyed("two")).await.unwrap_err();
    assert_eq!(full, QueueError::FullKeys { limit: 1 });
    assert!(full.is_full());
    enqueue(&engine, &name, "without a key").await;
}

#[tokio::test]
async fn the_instances_of_a_command_share_their_dead_letters() {
    let engine = MemoryQueue::new();
    let (one, other) = (name("a").of("1"), name("a").of("2"));
    let id = bury(&engine, &one, "x").await;
    bury(&engine, &name("b"), "of another command").await;
    for queue in [&one, &other, &name("a")] {
        let letters = engine.dead_letters(queue, 9).await.unwrap();
        assert_eq!(letters.len(), 1);
        let letter = &letters[0];
        assert_eq!((&letter.job_id, &letter.queue), (&id, &one));
        assert_eq!((&*letter.payload, &*letter.error), (&b"x"[..], &b"no"[..]));
        let alone = engine.dead_letter(queue, &id).await.unwrap();
        assert_eq!(alone.as_ref(), Some(letter));
        assert_eq!(engine.stats(queue).await.unwrap().dead, 1);
    }
}

#[tokio::test]
async fn a_dead_letter_is_requeued_where_it_is_asked_for_and_wakes_a_lease() {
    let engine = MemoryQueue::new();
    let (one, other) = (name("a").of("1"), name("a").of("2"));
    let id = bury(&engine, &one, "x").await;
    let mut lease = engine.lease(&other, 9);
    assert!((&mut lease).now_or_never().is_none());
    assert_eq!(engine.requeue(&other, &id, "y".into()).await, Ok(true));
    assert_eq!(engine.requeue(&other, &id, "y".into()).await, Ok(false));
    let job = lease.await.unwrap().remove(0);
    assert_eq!((job.id, job.attempt), (id, 1));
    assert_eq!(job.payload, "y");
    assert_eq!(engine.stats(&one).await.unwrap(), QueueStats::default());
}

#[tokio::test]
async fn a_dead_letter_stays_where_it_is_while_the_queue_is_full() {
    let engine = MemoryQueue::new().max_jobs(1);
    let name = name("a");
    let id = bury(&engine, &name, "dead").await;
    enqueue(&engine, &name, "x").await;
    let full = Err(QueueError::Full { limit: 1 });
    assert_eq!(engine.requeue(&name, &id, "dead".into()).await, full);
    assert!(engine.dead_letter(&name, &id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_dead_letter_can_be_thrown_away_once() {
    let engine = MemoryQueue::new();
    let name = name("a");
    let id = bury(&engine, &name, "x").await;
    assert_eq!(engine.purge(&name, &id).await, Ok(true));
    assert_eq!(engine.purge(&name, &id).await, Ok(false));
    assert_eq!(engine.dead_letter(&name, &id).await, Ok(None));
    assert_eq!(engine.requeue(&name, &id, "x".into()).await, Ok(false));
}

#[tokio::test]
async fn a_removed_job_leaves_its_bytes() {
    let engine = MemoryQueue::new().max_bytes(2);
    let name = name("a");
    let waiting = enqueue(&engine, &name, "x").await;
    let delayed = NewJob::new("y").delay(Duration::from_secs(60));
    let delayed = engine.enqueue(&name, delayed).await.unwrap().job_id;
    for id in [waiting, delayed] {
        let full = engine.enqueue(&name, NewJob::new("z")).await;
        assert_eq!(full, Err(QueueError::FullBytes { limit: 2 }));
        assert_eq!(engine.remove(&name, &id).await, Ok(true));
        enqueue(&engine, &name, "z").await;
    }
}
