//! What [`Queue`] promises, checked for every engine.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{FutureExt, future::join_all, poll};
use mesh_runtime::{Failure, Job, JobId, NewJob, Queue, QueueError, QueueName, QueueStats};
use tokio::task::JoinSet;

use crate::engines::{
    Engines, LONG, Limits, SHORT, counts, enqueue, lease, lease_texts, name, stats, text, until,
};

both_engines! {
    jobs_are_leased_in_the_order_in_which_they_came
    a_lease_takes_no_more_than_it_asks_for
    a_lease_waits_for_a_job
    a_lease_that_is_dropped_loses_no_job
    a_job_is_as_it_was_given
    a_job_of_four_mebibytes_is_as_it_was_given
    a_job_that_is_complete_is_leased_no_more
    a_job_that_failed_is_leased_again_with_a_higher_attempt
    a_job_that_failed_waits_for_its_backoff
    a_job_that_was_given_back_has_lost_no_attempt
    a_delayed_job_waits
    a_job_is_leased_when_its_delay_is_over
    a_job_for_a_time_that_has_passed_is_leased_at_once
    a_job_for_later_lets_others_pass
    a_job_with_a_known_key_is_left_out
    a_key_outlives_its_job_and_is_forgotten_after_its_window
    keys_of_different_queues_have_nothing_to_do_with_each_other
    a_queue_with_too_many_keys_refuses_another
    a_full_queue_refuses_another_job_until_one_is_complete
    delayed_and_running_jobs_count_towards_the_limit
    a_paused_queue_takes_jobs_and_leases_none
    a_pause_holds_back_what_was_delayed_failed_or_given_back
    a_queue_can_be_paused_before_its_first_job_and_resumed_twice
    a_long_queue_keeps_its_order_over_a_pause
    the_state_of_a_queue_is_told
    a_queue_that_never_had_a_job_is_empty
    dead_letters_are_listed_the_oldest_first
    dead_letters_are_shared_by_the_queues_of_a_command
    a_dead_letter_can_be_put_back
    a_dead_letter_stays_where_it_is_while_the_queue_is_full
    a_dead_letter_can_be_thrown_away
    of_too_many_dead_letters_the_oldest_goes
    queues_are_apart
    of_many_jobs_each_is_leased_once
}

/// Makes a job with that text a dead letter.
async fn bury(engine: &dyn Queue, queue: &QueueName, text: &str) -> JobId {
    let id = enqueue(engine, queue, text.to_owned()).await;
    let job = lease(engine, queue).await;
    assert_eq!(job.id, id);
    let error = format!("no {text}").into();
    let failed = engine.fail(queue, &job, error, Failure::Dead).await;
    assert_eq!(failed, Ok(()));
    id
}

fn not_leased<T>(job: &Job) -> Result<T, QueueError> {
    Err(QueueError::NotLeased {
        job: job.id.clone(),
    })
}

async fn jobs_are_leased_in_the_order_in_which_they_came(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    for text in ["one", "two", "three"] {
        enqueue(&engine, &queue, text).await;
    }
    let leased = lease_texts(&engine, &queue, 3).await;
    assert_eq!(leased, ["one", "two", "three"]);
}

async fn a_lease_takes_no_more_than_it_asks_for(engines: Engines) {
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

async fn a_lease_waits_for_a_job(engines: Engines) {
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

async fn a_lease_that_is_dropped_loses_no_job(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    for round in 0..20 {
        let mut dropped = engine.lease(&queue, 8);
        assert!(poll!(&mut dropped).is_pending());
        let id = enqueue(&other, &queue, "x").await;
        // Dropped sometimes at once, and sometimes when the job is in transit or has arrived.
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

async fn a_job_is_as_it_was_given(engines: Engines) {
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

async fn a_job_of_four_mebibytes_is_as_it_was_given(engines: Engines) {
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
    let letter = engine.dead_letters(&queue, 1).await.unwrap().remove(0);
    assert!(letter.payload == payload);
}

async fn a_job_that_is_complete_is_leased_no_more(engines: Engines) {
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

async fn a_job_that_failed_is_leased_again_with_a_higher_attempt(engines: Engines) {
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

async fn a_job_that_failed_waits_for_its_backoff(engines: Engines) {
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

async fn a_job_that_was_given_back_has_lost_no_attempt(engines: Engines) {
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

async fn a_delayed_job_waits(engines: Engines) {
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

async fn a_job_is_leased_when_its_delay_is_over(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let soon = [
        NewJob::new("delayed").delay(SHORT),
        NewJob::new("at").at(SystemTime::now() + SHORT),
    ];
    for job in soon {
        // Both with a lease that is already waiting, and without one.
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

async fn a_job_for_a_time_that_has_passed_is_leased_at_once(engines: Engines) {
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

async fn a_job_for_later_lets_others_pass(engines: Engines) {
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

async fn a_job_with_a_known_key_is_left_out(engines: Engines) {
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

async fn a_key_outlives_its_job_and_is_forgotten_after_its_window(engines: Engines) {
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

async fn keys_of_different_queues_have_nothing_to_do_with_each_other(engines: Engines) {
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

async fn a_queue_with_too_many_keys_refuses_another(engines: Engines) {
    let limits = Limits {
        keys: Some(2),
        ..Limits::default()
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

async fn a_full_queue_refuses_another_job_until_one_is_complete(engines: Engines) {
    let limits = Limits {
        jobs: Some(2),
        ..Limits::default()
    };
    let engine = engines.with(limits).await;
    let queue = name("a");
    enqueue(&engine, &queue, "one").await;
    enqueue(&engine, &queue, "two").await;
    let full = engine.enqueue(&queue, NewJob::new("three")).await;
    assert_eq!(full, Err(QueueError::Full { limit: 2 }));
    assert!(full.unwrap_err().is_full());
    enqueue(&engine, &name("b"), "of another queue").await;
    // Of concurrent requests, exactly as many are accepted as there is room for.
    let job = lease(&engine, &queue).await;
    engine.complete(&queue, &job).await.unwrap();
    let asked = join_all((0..5).map(|_| engine.enqueue(&queue, NewJob::new("x")))).await;
    assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 1);
    assert_eq!(lease_texts(&engine, &queue, 2).await, ["two", "x"]);
}

async fn delayed_and_running_jobs_count_towards_the_limit(engines: Engines) {
    let limits = Limits {
        jobs: Some(2),
        ..Limits::default()
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

async fn a_paused_queue_takes_jobs_and_leases_none(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let (queue, open) = (name("a"), name("b"));
    let mut waiting = engine.lease(&queue, 8);
    assert!(poll!(&mut waiting).is_pending());
    other.pause(&queue).await.unwrap();
    for text in ["one", "two", "three"] {
        enqueue(&other, &queue, text).await;
        enqueue(&engine, &open, text).await;
        tokio::select! {
            jobs = &mut waiting => panic!("the queue is paused: {jobs:?}"),
            job = lease(&engine, &open) => engine.complete(&open, &job).await.unwrap(),
        }
    }
    let paused = engine.stats(&queue).await.unwrap();
    assert_eq!(
        (paused.waiting, paused.running, paused.paused),
        (3, 0, true)
    );
    assert!(!engine.stats(&open).await.unwrap().paused);
    other.resume(&queue).await.unwrap();
    let first = waiting.await.unwrap();
    let mut leased: Vec<_> = first.iter().map(|job| text(&job.payload)).collect();
    leased.extend(lease_texts(&engine, &queue, 3 - first.len()).await);
    assert_eq!(leased, ["one", "two", "three"]);
    assert!(!engine.stats(&queue).await.unwrap().paused);
}

async fn a_pause_holds_back_what_was_delayed_failed_or_given_back(engines: Engines) {
    let engine = engines.one().await;
    let (queue, open) = (name("a"), name("b"));
    let mut jobs = Vec::new();
    for text in ["failed", "given back", "complete"] {
        enqueue(&engine, &queue, text).await;
        jobs.push(lease(&engine, &queue).await);
    }
    engine.pause(&queue).await.unwrap();
    let delayed = NewJob::new("delayed").delay(SHORT);
    engine.enqueue(&queue, delayed).await.unwrap();
    let retry = Failure::Retry { after: SHORT };
    let failed = engine.fail(&queue, &jobs[0], "no".into(), retry).await;
    assert_eq!(failed, Ok(()));
    assert_eq!(engine.release(&queue, &jobs[1]).await, Ok(()));
    assert_eq!(engine.complete(&queue, &jobs[2]).await, Ok(()));
    until("their time has come", async || {
        stats(&engine, &queue).await == [3, 0, 0, 0]
    })
    .await;
    enqueue(&engine, &open, "x").await;
    tokio::select! {
        jobs = engine.lease(&queue, 8) => panic!("the queue is paused: {jobs:?}"),
        _ = lease(&engine, &open) => {}
    }
    engine.resume(&queue).await.unwrap();
    let mut leased = lease_texts(&engine, &queue, 3).await;
    leased.sort();
    assert_eq!(leased, ["delayed", "failed", "given back"]);
}

async fn a_queue_can_be_paused_before_its_first_job_and_resumed_twice(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    engine.resume(&queue).await.unwrap();
    engine.pause(&queue).await.unwrap();
    engine.pause(&queue).await.unwrap();
    assert!(other.stats(&queue).await.unwrap().paused);
    enqueue(&engine, &queue, "x").await;
    other.resume(&queue).await.unwrap();
    other.resume(&queue).await.unwrap();
    assert_eq!(lease_texts(&other, &queue, 1).await, ["x"]);
}

async fn a_long_queue_keeps_its_order_over_a_pause(engines: Engines) {
    const JOBS: usize = 1_000;
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    let texts: Vec<_> = (0..JOBS).map(|number| number.to_string()).collect();
    engine.pause(&queue).await.unwrap();
    // Few enough at once that Tokio polls them one after the other.
    for group in texts.chunks(50) {
        join_all(
            group
                .iter()
                .map(|text| enqueue(&engine, &queue, text.clone())),
        )
        .await;
    }
    assert_eq!(stats(&engine, &queue).await, [JOBS as u64, 0, 0, 0]);
    other.resume(&queue).await.unwrap();
    let leased = lease_texts(&engine, &queue, JOBS).await;
    assert!(leased == texts, "out of order: {leased:?}");
    assert_eq!(stats(&engine, &queue).await, [0, JOBS as u64, 0, 0]);
}

async fn the_state_of_a_queue_is_told(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    bury(&engine, &queue, "dead").await;
    for text in ["complete", "running", "waiting"] {
        enqueue(&engine, &queue, text).await;
    }
    let delayed = NewJob::new("delayed").delay(LONG);
    engine.enqueue(&queue, delayed).await.unwrap();
    let complete = lease(&engine, &queue).await;
    let _running = lease(&engine, &queue).await;
    engine.complete(&queue, &complete).await.unwrap();
    let full = other.stats(&queue).await.unwrap();
    assert_eq!(counts(&full), [1, 1, 1, 1]);
    assert!(!full.paused);
    let age = full.oldest_age.expect("one waits");
    until("it grows older", async || {
        other.stats(&queue).await.unwrap().oldest_age > Some(age)
    })
    .await;
    let waiting = lease(&engine, &queue).await;
    assert_eq!(text(&waiting.payload), "waiting");
    let none_waits = other.stats(&queue).await.unwrap();
    assert_eq!(counts(&none_waits), [0, 2, 1, 1]);
    assert_eq!(none_waits.oldest_age, None);
}

async fn a_queue_that_never_had_a_job_is_empty(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let nothing = engine.stats(&queue).await.unwrap();
    assert_eq!(nothing, QueueStats::default());
    assert_eq!(engine.dead_letters(&queue, 9).await, Ok(Vec::new()));
    assert!(engine.orphans(&queue).now_or_never().is_none(), "it waits");
    assert_eq!(engine.leave(&queue).await, Ok(()));
}

async fn dead_letters_are_listed_the_oldest_first(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    let before = SystemTime::now() - Duration::from_secs(1);
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        ids.push(bury(&engine, &queue, text).await);
    }
    assert_eq!(other.dead_letters(&queue, 0).await, Ok(Vec::new()));
    let first_two = other.dead_letters(&queue, 2).await.unwrap();
    let listed: Vec<_> = first_two.iter().map(|letter| &letter.job_id).collect();
    assert_eq!(listed, [&ids[0], &ids[1]]);
    let all = other.dead_letters(&queue, usize::MAX).await.unwrap();
    assert_eq!(all.len(), 3);
    let letter = &all[2];
    assert_eq!(letter.job_id, ids[2]);
    assert_eq!(letter.queue, queue);
    assert_eq!(text(&letter.payload), "three");
    assert_eq!(text(&letter.error), "no three");
    assert_eq!(letter.attempts, 1);
    assert!(before <= letter.enqueued_at && letter.enqueued_at <= letter.died_at);
    let one = other.dead_letter(&queue, &ids[2]).await.unwrap();
    assert_eq!(one.as_ref(), Some(letter));
    let none = other.dead_letter(&queue, &"unknown".into()).await;
    assert_eq!(none, Ok(None));
}

async fn dead_letters_are_shared_by_the_queues_of_a_command(engines: Engines) {
    let engine = engines.one().await;
    let (one, two) = (name("a").of("one"), name("a").of("two"));
    let of_one = bury(&engine, &one, "of one").await;
    let of_two = bury(&engine, &two, "of two").await;
    let letters = engine.dead_letters(&one, 9).await.unwrap();
    assert_eq!(engine.dead_letters(&two, 9).await.unwrap(), letters);
    let of_queues: Vec<_> = letters.iter().map(|letter| &letter.queue).collect();
    assert_eq!(of_queues, [&one, &two]);
    assert_eq!(stats(&engine, &one).await, [0, 0, 0, 2]);

    let requeued = engine.requeue(&one, &of_two, "changed".into()).await;
    assert_eq!(requeued, Ok(true));
    let job = lease(&engine, &one).await;
    assert_eq!((job.id, text(&job.payload)), (of_two, "changed".to_owned()));
    assert_eq!(engine.purge(&two, &of_one).await, Ok(true));
    assert_eq!(engine.dead_letters(&one, 9).await, Ok(Vec::new()));
}

async fn a_dead_letter_can_be_put_back(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    enqueue(&engine, &queue, "x").await;
    let job = lease(&engine, &queue).await;
    let retry = Failure::Retry {
        after: Duration::ZERO,
    };
    let failed = engine.fail(&queue, &job, "no".into(), retry).await;
    assert_eq!(failed, Ok(()));
    let job = lease(&engine, &queue).await;
    assert_eq!(job.attempt, 2);
    let failed = engine.fail(&queue, &job, "no".into(), Failure::Dead).await;
    assert_eq!(failed, Ok(()));
    let letter = engine.dead_letter(&queue, &job.id).await.unwrap().unwrap();
    assert_eq!(letter.attempts, 2);

    let mut waiting = engine.lease(&queue, 8);
    assert!(poll!(&mut waiting).is_pending());
    let requeue = |text: &'static str| engine.requeue(&queue, &job.id, text.into());
    assert_eq!(requeue("y").await, Ok(true));
    assert_eq!(requeue("z").await, Ok(false));
    let again = waiting.await.unwrap().remove(0);
    assert_eq!((&again.id, again.attempt), (&job.id, 1));
    assert_eq!(text(&again.payload), "y");
    assert_eq!(again.enqueued_at, letter.enqueued_at);
    assert_eq!(stats(&engine, &queue).await, [0, 1, 0, 0]);
}

async fn a_dead_letter_stays_where_it_is_while_the_queue_is_full(engines: Engines) {
    let limits = Limits {
        jobs: Some(1),
        ..Limits::default()
    };
    let engine = engines.with(limits).await;
    let queue = name("a");
    let id = bury(&engine, &queue, "dead").await;
    enqueue(&engine, &queue, "x").await;
    let full = engine.requeue(&queue, &id, "dead".into()).await;
    assert_eq!(full, Err(QueueError::Full { limit: 1 }));
    assert!(engine.dead_letter(&queue, &id).await.unwrap().is_some());
    let job = lease(&engine, &queue).await;
    engine.complete(&queue, &job).await.unwrap();
    assert_eq!(engine.requeue(&queue, &id, "dead".into()).await, Ok(true));
}

async fn a_dead_letter_can_be_thrown_away(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let gone = bury(&engine, &queue, "gone").await;
    let kept = bury(&engine, &queue, "kept").await;
    assert_eq!(engine.purge(&queue, &gone).await, Ok(true));
    assert_eq!(engine.purge(&queue, &gone).await, Ok(false));
    assert_eq!(engine.dead_letter(&queue, &gone).await, Ok(None));
    assert_eq!(engine.requeue(&queue, &gone, "x".into()).await, Ok(false));
    assert!(engine.dead_letter(&queue, &kept).await.unwrap().is_some());
    assert_eq!(stats(&engine, &queue).await, [0, 0, 0, 1]);
}

async fn of_too_many_dead_letters_the_oldest_goes(engines: Engines) {
    let (engine, most) = engines.with_few_dead_letters().await;
    let (one, two) = (name("a").of("one"), name("a").of("two"));
    let mut ids = Vec::new();
    for number in 0..most + 2 {
        let queue = if number % 2 == 0 { &one } else { &two };
        ids.push(bury(&*engine, queue, &number.to_string()).await);
    }
    let kept = engine.dead_letters(&one, usize::MAX).await.unwrap();
    let kept: Vec<_> = kept.into_iter().map(|letter| letter.job_id).collect();
    assert_eq!(kept, ids[2..]);
    assert_eq!(engine.dead_letter(&one, &ids[0]).await, Ok(None));
    assert_eq!(stats(&*engine, &one).await[3], most as u64);
}

async fn queues_are_apart(engines: Engines) {
    let engine = engines.one().await;
    let shared = name("a");
    let queues = [
        shared.clone(),
        shared.of("one"),
        shared.of("two"),
        name("b"),
        QueueName {
            mesh: "Other".into(),
            ..shared.clone()
        },
        QueueName {
            node_type: "Other".into(),
            ..shared.clone()
        },
    ];
    for queue in &queues {
        enqueue(&engine, queue, queue.to_string()).await;
    }
    engine.pause(&queues[0]).await.unwrap();
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

async fn of_many_jobs_each_is_leased_once(engines: Engines) {
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
    until("all are worked off", async || {
        stats(&engine, &queue).await == [0; 4]
    })
    .await;
    assert!(consumers.try_join_next().is_none(), "none has failed");
    let leased = leased.lock().unwrap();
    assert_eq!(leased.len(), JOBS, "none is leased twice");
    assert_eq!(leased.iter().cloned().collect::<HashSet<_>>(), accepted);
}
