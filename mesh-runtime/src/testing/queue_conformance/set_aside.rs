//! Jobs that a process cannot run, and leaves to others.

use super::*;

pub(super) async fn a_job_that_is_set_aside_waits_and_loses_no_attempt(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let id = enqueue(&engine, &queue, "x").await;
    for wait in [SHORT, Duration::ZERO, LONG] {
        let job = lease(&engine, &queue).await;
        assert_eq!((&job.id, job.attempt), (&id, 1));
        assert_eq!(text(&job.payload), "x");
        assert_eq!(engine.set_aside(&queue, &job, wait).await, Ok(()));
    }
    assert_eq!(stats(&engine, &queue).await, [0, 0, 1, 0]);
    enqueue(&engine, &queue, "later").await;
    assert_eq!(lease_texts(&engine, &queue, 1).await, ["later"]);
}

pub(super) async fn a_job_says_since_when_it_is_set_aside_until_an_attempt_fails(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    enqueue(&engine, &queue, "x").await;
    let job = lease(&engine, &queue).await;
    assert_eq!(job.set_aside_since, None);
    engine.release(&queue, &job).await.unwrap();
    let job = lease(&engine, &queue).await;
    assert_eq!(job.set_aside_since, None);
    engine.set_aside(&queue, &job, SHORT).await.unwrap();

    let since = lease_and_set_aside(&other, &queue).await;
    assert!(since.is_some_and(|since| since >= job.enqueued_at));
    // The first time counts, whoever set it aside, and giving it back changes nothing.
    assert_eq!(lease_and_set_aside(&engine, &queue).await, since);
    let job = lease(&engine, &queue).await;
    engine.release(&queue, &job).await.unwrap();
    let job = lease(&other, &queue).await;
    assert_eq!((job.set_aside_since, job.attempt), (since, 1));

    let retry = Failure::Retry { after: SHORT };
    let failed = other.fail(&queue, &job, "no".into(), retry).await;
    assert_eq!(failed, Ok(()));
    let job = lease(&engine, &queue).await;
    assert_eq!((job.set_aside_since, job.attempt), (None, 2));
}

pub(super) async fn a_job_is_still_set_aside_after_a_pause(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    enqueue(&engine, &queue, "x").await;
    let since = {
        lease_and_set_aside(&engine, &queue).await;
        lease_and_set_aside(&engine, &queue).await
    };
    let job = lease(&engine, &queue).await;
    engine.admin().pause(&queue).await.unwrap();
    let waited = engine.set_aside(&queue, &job, Duration::ZERO).await;
    assert_eq!(waited, Ok(()));
    assert_eq!(stats(&engine, &queue).await[1], 0);
    engine.admin().resume(&queue).await.unwrap();
    let job = lease(&engine, &queue).await;
    assert_eq!(job.set_aside_since, since);

    // As a dead letter, and when it is put back, it is set aside no more.
    let failed = engine.fail(&queue, &job, "no".into(), Failure::Dead).await;
    assert_eq!(failed, Ok(()));
    let requeued = engine.admin().requeue(&queue, &job.id, "x".into()).await;
    assert_eq!(requeued, Ok(true));
    assert_eq!(lease(&engine, &queue).await.set_aside_since, None);
}

pub(super) async fn only_a_leased_job_can_be_set_aside(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    enqueue(&engine, &queue, "x").await;
    let job = lease(&engine, &queue).await;
    assert_eq!(engine.complete(&queue, &job).await, Ok(()));
    let late = engine.set_aside(&queue, &job, SHORT).await;
    assert_eq!(late, not_leased(&job));
    assert_eq!(stats(&engine, &queue).await, [0; 4]);
}

/// Since when the next job had been set aside.
async fn lease_and_set_aside(engine: &Arc<dyn Queue>, queue: &QueueName) -> Option<SystemTime> {
    let job = lease(engine, queue).await;
    engine.set_aside(queue, &job, SHORT).await.unwrap();
    job.set_aside_since
}
