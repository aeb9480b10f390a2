//! Deduplication keys, and the limits on jobs and keys.

use super::*;

pub(super) async fn a_job_with_a_known_key_is_left_out(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    let keyed = |text: &'static str, key: &str| NewJob::new(text).dedupe(key, LONG);
    let first = engine.enqueue(&queue, keyed("first", "k")).await.unwrap();
    assert!(!first.duplicate);
    let second = other.enqueue(&queue, keyed("second", "k")).await.unwrap();
    assert_eq!((&second.job_id, second.duplicate), (&first.job_id, true));
    let delayed = keyed("third", "k").delay(LONG);
    let third = engine.enqueue(&queue, delayed).await.unwrap();
    assert_eq!((&third.job_id, third.duplicate), (&first.job_id, true));
    let other_key = engine.enqueue(&queue, keyed("other", "l")).await.unwrap();
    assert!(!other_key.duplicate);
    assert_ne!(other_key.job_id, first.job_id);
    assert_eq!(stats(&engine, &queue).await, [2, 0, 0, 0]);
    assert_eq!(lease_texts(&engine, &queue, 2).await, ["first", "other"]);
}

pub(super) async fn a_key_outlives_its_job_and_is_forgotten_after_its_window(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let keyed = |key: &str, window| NewJob::new("x").dedupe(key, window);
    let first = engine.enqueue(&queue, keyed("long", LONG)).await.unwrap();
    let job = lease(&engine, &queue).await;
    engine.complete(&queue, &job).await.unwrap();
    let again = engine.enqueue(&queue, keyed("long", SHORT)).await.unwrap();
    assert_eq!((again.job_id, again.duplicate), (first.job_id, true));

    let short = Duration::from_millis(50);
    let first = engine.enqueue(&queue, keyed("short", short)).await.unwrap();
    until("the key is forgotten", async || {
        let again = engine.enqueue(&queue, keyed("short", short)).await.unwrap();
        assert_eq!(again.duplicate, again.job_id == first.job_id);
        !again.duplicate
    })
    .await;
    let long = engine.enqueue(&queue, keyed("long", LONG)).await.unwrap();
    assert!(long.duplicate, "another key's window is another");
}

pub(super) async fn keys_of_different_queues_have_nothing_to_do_with_each_other(engines: Engines) {
    let engine = engines.one().await;
    let shared = name("a");
    for queue in [
        name("b"),
        shared.of("one"),
        shared.of("two"),
        shared.clone(),
    ] {
        let keyed = || NewJob::new("x").dedupe("k", LONG);
        assert!(!engine.enqueue(&queue, keyed()).await.unwrap().duplicate);
        assert!(engine.enqueue(&queue, keyed()).await.unwrap().duplicate);
    }
}

pub(super) async fn a_queue_with_too_many_keys_refuses_another(engines: Engines) {
    let limits = EngineLimits {
        keys: Some(2),
        ..EngineLimits::default()
    };
    let engine = engines.with(limits).await;
    let queue = name("a");
    let keyed = |key: &str, window| NewJob::new("x").dedupe(key, window);
    let short = Duration::from_millis(200);
    engine.enqueue(&queue, keyed("one", LONG)).await.unwrap();
    engine.enqueue(&queue, keyed("two", short)).await.unwrap();
    until("the window of a key is over", async || {
        match engine.enqueue(&queue, keyed("three", LONG)).await {
            Err(error) => {
                assert_eq!(error, QueueError::FullKeys { limit: 2 });
                assert!(error.is_full());
                let known = engine.enqueue(&queue, keyed("one", LONG)).await;
                assert!(known.unwrap().duplicate);
                false
            }
            Ok(enqueued) => !enqueued.duplicate,
        }
    })
    .await;
    enqueue(&engine, &queue, "without a key").await;
}

pub(super) async fn a_full_queue_refuses_another_job_until_one_is_complete(engines: Engines) {
    let limits = EngineLimits {
        jobs: Some(2),
        ..EngineLimits::default()
    };
    let engine = engines.with(limits).await;
    let queue = name("a");
    enqueue(&engine, &queue, "one").await;
    enqueue(&engine, &queue, "two").await;
    let full = engine.enqueue(&queue, NewJob::new("three")).await;
    assert_eq!(full, Err(QueueError::Full { limit: 2 }));
    assert!(full.unwrap_err().is_full());
    enqueue(&engine, &name("b"), "of another queue").await;
    // Exactly as many concurrent requests are accepted as there is room for.
    let job = lease(&engine, &queue).await;
    engine.complete(&queue, &job).await.unwrap();
    let asked = join_all((0..5).map(|_| engine.enqueue(&queue, NewJob::new("x")))).await;
    assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 1);
    assert_eq!(lease_texts(&engine, &queue, 2).await, ["two", "x"]);
}

pub(super) async fn delayed_and_running_jobs_count_towards_the_limit(engines: Engines) {
    let limits = EngineLimits {
        jobs: Some(2),
        ..EngineLimits::default()
    };
    let engine = engines.with(limits).await;
    let queue = name("a");
    let full = Err(QueueError::Full { limit: 2 });
    let delayed = NewJob::new("delayed").delay(LONG);
    engine.enqueue(&queue, delayed).await.unwrap();
    enqueue(&engine, &queue, "one").await;
    let job = lease(&engine, &queue).await;
    assert_eq!(engine.enqueue(&queue, NewJob::new("x")).await, full);
    let retry = Failure::Retry { after: LONG };
    let failed = engine.fail(&queue, &job, "no".into(), retry).await;
    assert_eq!(failed, Ok(()));
    assert_eq!(engine.enqueue(&queue, NewJob::new("x")).await, full);
    assert_eq!(stats(&engine, &queue).await, [0, 0, 2, 0]);
}
