//! Leasing: each job once, complete and in order, and none lost.

use super::*;

pub(super) async fn jobs_are_leased_in_the_order_in_which_they_came(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    for text in ["one", "two", "three"] {
        enqueue(&engine, &queue, text).await;
    }
    let leased = lease_texts(&engine, &queue, 3).await;
    assert_eq!(leased, ["one", "two", "three"]);
}

pub(super) async fn a_lease_takes_no_more_than_it_asks_for(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    assert_eq!(engine.lease(&queue, 0).await, Ok(Vec::new()));
    for text in ["one", "two", "three"] {
        enqueue(&engine, &queue, text).await;
    }
    assert_eq!(engine.lease(&queue, 0).await, Ok(Vec::new()));
    assert_eq!(engine.lease(&queue, 2).await.unwrap().len(), 2);
    assert_eq!(stats(&engine, &queue).await, [1, 2, 0, 0]);
}

pub(super) async fn a_lease_waits_for_a_job(engines: Engines) {
    let engine = engines.one().await;
    let (queue, other) = (name("a"), name("b"));
    let mut waiting = engine.lease(&queue, 8);
    for round in ["one", "two"] {
        // Another queue is used in the meantime.
        enqueue(&engine, &other, round).await;
        tokio::select! {
            jobs = &mut waiting => panic!("there was none: {jobs:?}"),
            job = lease(&engine, &other) => assert_eq!(text(&job.payload), round),
        }
    }
    let id = enqueue(&engine, &queue, "x").await;
    assert_eq!(waiting.await.unwrap()[0].id, id);
}

pub(super) async fn a_lease_that_is_dropped_loses_no_job(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    for round in 0..20 {
        let mut dropped = engine.lease(&queue, 8);
        assert!(poll!(&mut dropped).is_pending());
        let id = enqueue(&other, &queue, "x").await;
        // The lease is dropped sometimes at once, and sometimes when the job is in transit or has arrived.
        for _ in 0..round % 5 {
            stats(&other, &queue).await;
        }
        drop(dropped);
        let consumer = if round % 2 == 0 { &engine } else { &other };
        let job = lease(consumer, &queue).await;
        assert_eq!((&job.id, job.attempt), (&id, 1));
        assert_eq!(consumer.complete(&queue, &job).await, Ok(()));
        assert_eq!(stats(&engine, &queue).await, [0; 4]);
    }
}

pub(super) async fn a_job_is_as_it_was_given(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let before = SystemTime::now() - Duration::from_secs(1);
    let all_bytes: Vec<u8> = (0..=255).collect();
    for payload in [Vec::new(), all_bytes] {
        let new = NewJob::new(payload.clone());
        let id = new.id.clone();
        let enqueued = engine.enqueue(&queue, new).await.unwrap();
        assert_eq!((&enqueued.job_id, enqueued.duplicate), (&id, false));
        let job = lease(&engine, &queue).await;
        assert_eq!((job.id, job.attempt), (id, 1));
        assert_eq!(job.payload, payload);
        assert!(job.enqueued_at >= before);
        assert!(job.enqueued_at <= SystemTime::now() + Duration::from_secs(1));
    }
}

pub(super) async fn a_job_of_four_mebibytes_is_as_it_was_given(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let payload: Vec<u8> = (0..4 * 1024 * 1024).map(|at| (at % 251) as u8).collect();
    enqueue(&engine, &queue, payload.clone()).await;
    let job = lease(&engine, &queue).await;
    assert!(job.payload == payload);
    let retry = Failure::Retry { after: SHORT };
    let failed = engine.fail(&queue, &job, "no".into(), retry).await;
    assert_eq!(failed, Ok(()));
    let job = lease(&engine, &queue).await;
    assert!(job.payload == payload);
    let failed = engine.fail(&queue, &job, "no".into(), Failure::Dead).await;
    assert_eq!(failed, Ok(()));
    let letter = engine
        .admin()
        .dead_letters(&queue, 1)
        .await
        .unwrap()
        .remove(0);
    assert!(letter.payload == payload);
}

pub(super) async fn a_job_that_is_complete_is_leased_no_more(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    enqueue(&engine, &queue, "one").await;
    let one = lease(&engine, &queue).await;
    assert_eq!(engine.complete(&queue, &one).await, Ok(()));
    enqueue(&engine, &queue, "two").await;
    let two = lease(&engine, &queue).await;
    assert_eq!(text(&two.payload), "two");
    assert_eq!(engine.complete(&queue, &one).await, not_leased(&one));
    assert_eq!(engine.release(&queue, &one).await, not_leased(&one));
    for failure in [Failure::Dead, Failure::Retry { after: SHORT }] {
        let failed = engine.fail(&queue, &one, "late".into(), failure).await;
        assert_eq!(failed, not_leased(&one));
    }
    assert_eq!(stats(&engine, &queue).await, [0, 1, 0, 0]);
}

pub(super) async fn a_job_that_failed_is_leased_again_with_a_higher_attempt(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let id = enqueue(&engine, &queue, "x").await;
    let mut enqueued_at = None;
    for attempt in 1..=3 {
        let job = lease(&engine, &queue).await;
        assert_eq!((&job.id, job.attempt), (&id, attempt));
        assert_eq!(text(&job.payload), "x");
        assert_eq!(*enqueued_at.get_or_insert(job.enqueued_at), job.enqueued_at);
        let after = SHORT * (attempt - 1);
        let retry = Failure::Retry { after };
        let failed = engine.fail(&queue, &job, "no".into(), retry).await;
        assert_eq!(failed, Ok(()));
        let failed = engine.fail(&queue, &job, "no".into(), retry).await;
        assert_eq!(failed, not_leased(&job));
    }
}

pub(super) async fn a_job_that_was_given_back_has_lost_no_attempt(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    let id = enqueue(&engine, &queue, "x").await;
    for _ in 0..3 {
        let job = lease(&engine, &queue).await;
        assert_eq!((&job.id, job.attempt), (&id, 1));
        assert_eq!(engine.release(&queue, &job).await, Ok(()));
        assert_eq!(engine.release(&queue, &job).await, not_leased(&job));
        assert_eq!(stats(&engine, &queue).await, [1, 0, 0, 0]);
    }
    assert_eq!(lease(&other, &queue).await.id, id);
}

pub(super) async fn queues_are_apart(engines: Engines) {
    let engine = engines.one().await;
    let shared = name("a");
    let queues = [
        shared.clone(),
        shared.of("one"),
        shared.of("two"),
        name("b"),
        QueueName::new("Other", "Billing", "a"),
        QueueName::new("Shop", "Other", "a"),
    ];
    for queue in &queues {
        enqueue(&engine, queue, queue.to_string()).await;
    }
    engine.admin().pause(&queues[0]).await.unwrap();
    for queue in &queues[1..] {
        assert_eq!(stats(&engine, queue).await, [1, 0, 0, 0]);
        let job = lease(&engine, queue).await;
        assert_eq!(text(&job.payload), queue.to_string());
        let elsewhere = engine.complete(&queues[0], &job).await;
        assert_eq!(elsewhere, not_leased(&job));
        assert_eq!(engine.complete(queue, &job).await, Ok(()));
    }
    assert_eq!(stats(&engine, &queues[0]).await, [1, 0, 0, 0]);
}

pub(super) async fn of_many_jobs_each_is_leased_once(engines: Engines) {
    const CALLERS: usize = 64;
    const JOBS: usize = 2_000;
    let queue = name("a");
    let leased = Arc::new(Mutex::new(Vec::new()));
    let mut consumers = JoinSet::new();
    for engine in [engines.one().await, engines.one().await] {
        let (queue, leased) = (queue.clone(), Arc::clone(&leased));
        consumers.spawn(async move {
            loop {
                for job in engine.lease(&queue, 16).await.unwrap() {
                    assert_eq!(job.attempt, 1);
                    leased.lock().unwrap().push(text(&job.payload));
                    engine.complete(&queue, &job).await.unwrap();
                }
            }
        });
    }
    let engine = engines.one().await;
    let callers = (0..CALLERS).map(|caller| {
        let (engine, queue) = (Arc::clone(&engine), queue.clone());
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            for number in (caller..JOBS).step_by(CALLERS) {
                let text = number.to_string();
                enqueue(&engine, &queue, text.clone()).await;
                accepted.push(text);
            }
            accepted
        })
    });
    let mut accepted = HashSet::new();
    for caller in join_all(callers).await {
        accepted.extend(caller.unwrap());
    }
    assert_eq!(accepted.len(), JOBS);
    until("all are done", async || {
        stats(&engine, &queue).await == [0; 4]
    })
    .await;
    assert!(consumers.try_join_next().is_none(), "none has failed");
    let leased = leased.lock().unwrap();
    assert_eq!(leased.len(), JOBS, "none is leased twice");
    assert_eq!(leased.iter().cloned().collect::<HashSet<_>>(), accepted);
}
