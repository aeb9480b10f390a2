//! Jobs that are not due yet.

use super::*;

pub(super) async fn a_job_that_failed_waits_for_its_backoff(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    enqueue(&engine, &queue, "failing").await;
    let job = lease(&engine, &queue).await;
    let retry = Failure::Retry { after: LONG };
    let failed = engine.fail(&queue, &job, "no".into(), retry).await;
    assert_eq!(failed, Ok(()));
    assert_eq!(stats(&engine, &queue).await, [0, 0, 1, 0]);
    enqueue(&engine, &queue, "later").await;
    assert_eq!(lease_texts(&engine, &queue, 1).await, ["later"]);
}

pub(super) async fn a_delayed_job_waits(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    for job in [
        NewJob::new("delayed").delay(LONG),
        NewJob::new("for ever").delay(Duration::MAX),
        NewJob::new("at").at(SystemTime::now() + LONG),
    ] {
        engine.enqueue(&queue, job).await.unwrap();
    }
    enqueue(&engine, &queue, "now").await;
    assert_eq!(lease_texts(&engine, &queue, 1).await, ["now"]);
    assert_eq!(stats(&engine, &queue).await, [0, 1, 3, 0]);
}

pub(super) async fn a_job_is_leased_when_its_delay_is_over(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let soon = [
        NewJob::new("delayed").delay(SHORT),
        NewJob::new("at").at(SystemTime::now() + SHORT),
    ];
    for job in soon {
        // Both with a lease request that is already waiting, and without one.
        let id = job.id.clone();
        let mut waiting = engine.lease(&queue, 8);
        assert!(poll!(&mut waiting).is_pending());
        engine.enqueue(&queue, job).await.unwrap();
        assert_eq!(waiting.await.unwrap()[0].id, id);
        let again = NewJob::new("nobody waits").delay(SHORT);
        let id = again.id.clone();
        engine.enqueue(&queue, again).await.unwrap();
        assert_eq!(lease(&engine, &queue).await.id, id);
    }
}

pub(super) async fn a_job_for_a_time_that_has_passed_is_leased_at_once(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let past = [
        NewJob::new("one").at(UNIX_EPOCH),
        NewJob::new("two").at(UNIX_EPOCH - LONG),
        NewJob::new("three").at(SystemTime::now() - LONG),
        NewJob::new("four").delay(Duration::ZERO),
    ];
    for job in past {
        engine.enqueue(&queue, job).await.unwrap();
    }
    assert_eq!(stats(&engine, &queue).await, [4, 0, 0, 0]);
    let leased = lease_texts(&engine, &queue, 4).await;
    assert_eq!(leased, ["one", "two", "three", "four"]);
}

pub(super) async fn a_job_for_later_lets_others_pass(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let later = Duration::from_millis(300);
    for (text, delay) in [("third", later * 2), ("second", later)] {
        let job = NewJob::new(text).delay(delay);
        engine.enqueue(&queue, job).await.unwrap();
    }
    enqueue(&engine, &queue, "first").await;
    let leased = lease_texts(&engine, &queue, 3).await;
    assert_eq!(leased, ["first", "second", "third"]);
}
