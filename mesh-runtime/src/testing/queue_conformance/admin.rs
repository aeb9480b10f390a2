//! Pausing, listing and removing jobs, and the statistics of a queue.

use super::*;

pub(super) async fn a_paused_queue_takes_jobs_and_leases_none(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let (queue, open) = (name("a"), name("b"));
    let mut waiting = engine.lease(&queue, 8);
    assert!(poll!(&mut waiting).is_pending());
    other.admin().pause(&queue).await.unwrap();
    for text in ["one", "two", "three"] {
        enqueue(&other, &queue, text).await;
        enqueue(&engine, &open, text).await;
        tokio::select! {
            jobs = &mut waiting => panic!("the queue is paused: {jobs:?}"),
            job = lease(&engine, &open) => engine.complete(&open, &job).await.unwrap(),
        }
    }
    let paused = engine.admin().stats(&queue).await.unwrap();
    assert_eq!(
        (paused.waiting, paused.running, paused.paused),
        (3, 0, true)
    );
    assert!(!engine.admin().stats(&open).await.unwrap().paused);
    other.admin().resume(&queue).await.unwrap();
    let first = waiting.await.unwrap();
    let mut leased: Vec<_> = first.iter().map(|job| text(&job.payload)).collect();
    leased.extend(lease_texts(&engine, &queue, 3 - first.len()).await);
    assert_eq!(leased, ["one", "two", "three"]);
    assert!(!engine.admin().stats(&queue).await.unwrap().paused);
}

pub(super) async fn a_pause_holds_back_what_was_delayed_failed_or_given_back(engines: Engines) {
    let engine = engines.one().await;
    let (queue, open) = (name("a"), name("b"));
    let mut jobs = Vec::new();
    for text in ["failed", "given back", "complete"] {
        enqueue(&engine, &queue, text).await;
        jobs.push(lease(&engine, &queue).await);
    }
    engine.admin().pause(&queue).await.unwrap();
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
    engine.admin().resume(&queue).await.unwrap();
    let mut leased = lease_texts(&engine, &queue, 3).await;
    leased.sort();
    assert_eq!(leased, ["delayed", "failed", "given back"]);
}

pub(super) async fn a_queue_can_be_paused_before_its_first_job_and_resumed_twice(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    engine.admin().resume(&queue).await.unwrap();
    engine.admin().pause(&queue).await.unwrap();
    engine.admin().pause(&queue).await.unwrap();
    assert!(other.admin().stats(&queue).await.unwrap().paused);
    enqueue(&engine, &queue, "x").await;
    other.admin().resume(&queue).await.unwrap();
    other.admin().resume(&queue).await.unwrap();
    assert_eq!(lease_texts(&other, &queue, 1).await, ["x"]);
}

pub(super) async fn a_long_queue_keeps_its_order_over_a_pause(engines: Engines) {
    const JOBS: usize = 1_000;
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    let texts: Vec<_> = (0..JOBS).map(|number| number.to_string()).collect();
    engine.admin().pause(&queue).await.unwrap();
    // So few at once that Tokio polls them in order.
    for group in texts.chunks(50) {
        join_all(
            group
                .iter()
                .map(|text| enqueue(&engine, &queue, text.clone())),
        )
        .await;
    }
    assert_eq!(stats(&engine, &queue).await, [JOBS as u64, 0, 0, 0]);
    other.admin().resume(&queue).await.unwrap();
    let leased = lease_texts(&engine, &queue, JOBS).await;
    assert!(leased == texts, "out of order: {leased:?}");
    assert_eq!(stats(&engine, &queue).await, [0, JOBS as u64, 0, 0]);
}

pub(super) async fn the_state_of_a_queue_is_told(engines: Engines) {
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
    let full = other.admin().stats(&queue).await.unwrap();
    assert_eq!(counts(&full), [1, 1, 1, 1]);
    assert!(!full.paused);
    let age = full.oldest_age.expect("one waits");
    until("it grows older", async || {
        other.admin().stats(&queue).await.unwrap().oldest_age > Some(age)
    })
    .await;
    let waiting = lease(&engine, &queue).await;
    assert_eq!(text(&waiting.payload), "waiting");
    let none_waits = other.admin().stats(&queue).await.unwrap();
    assert_eq!(counts(&none_waits), [0, 2, 1, 1]);
    assert_eq!(none_waits.oldest_age, None);
}

pub(super) async fn a_queue_that_never_had_a_job_is_empty(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    let nothing = engine.admin().stats(&queue).await.unwrap();
    assert_eq!(nothing, QueueStats::default());
    assert_eq!(engine.admin().dead_letters(&queue, 9).await, Ok(Vec::new()));
    assert!(engine.orphans(&queue).now_or_never().is_none(), "it waits");
    assert_eq!(engine.leave(&queue).await, Ok(()));
}

/// The ids and payloads of the jobs in this state.
async fn listed(
    engine: &Arc<dyn Queue>,
    queue: &QueueName,
    state: JobState,
) -> Vec<(JobId, String)> {
    let jobs = engine.admin().jobs(queue, state, usize::MAX).await.unwrap();
    let listed = jobs.into_iter().map(|job| {
        assert_eq!(job.state, state);
        assert_eq!(job.due_at.is_some(), state == JobState::Delayed);
        (job.job_id, text(&job.payload))
    });
    listed.collect()
}

pub(super) async fn jobs_are_listed_by_their_state(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    for state in [JobState::Waiting, JobState::Running, JobState::Delayed] {
        assert_eq!(listed(&engine, &queue, state).await, []);
    }
    let mut ids = Vec::new();
    for text in ["running", "first", "second"] {
        ids.push(enqueue(&engine, &queue, text).await);
    }
    lease(&engine, &queue).await;
    let later = [("last", LONG * 2), ("soon", LONG)].map(|(text, delay)| {
        let job = NewJob::new(text).delay(delay);
        (job.id.clone(), job)
    });
    let [last, soon] = later.each_ref().map(|(id, _)| id.clone());
    for (_, job) in later {
        engine.enqueue(&queue, job).await.unwrap();
    }
    let [running, first, second] = <[JobId; 3]>::try_from(ids).unwrap();
    let pairs = |pairs: &[(&JobId, &str)]| -> Vec<(JobId, String)> {
        let owned = pairs
            .iter()
            .map(|(id, text)| ((*id).clone(), (*text).to_owned()));
        owned.collect()
    };
    let waiting = listed(&other, &queue, JobState::Waiting).await;
    assert_eq!(waiting, pairs(&[(&first, "first"), (&second, "second")]));
    let leased = listed(&other, &queue, JobState::Running).await;
    assert_eq!(leased, pairs(&[(&running, "running")]));
    let delayed = listed(&other, &queue, JobState::Delayed).await;
    assert_eq!(delayed, pairs(&[(&soon, "soon"), (&last, "last")]));
    for state in [JobState::Waiting, JobState::Running, JobState::Delayed] {
        let none = other.admin().jobs(&queue, state, 0).await.unwrap();
        assert_eq!(none, []);
        let one = other.admin().jobs(&queue, state, 1).await.unwrap();
        assert_eq!(one.len(), 1);
    }
    assert_eq!(listed(&engine, &name("b"), JobState::Waiting).await, []);
}

pub(super) async fn jobs_of_a_paused_queue_are_listed_in_their_order(engines: Engines) {
    let engine = engines.one().await;
    let queue = name("a");
    enqueue(&engine, &queue, "before").await;
    engine.admin().pause(&queue).await.unwrap();
    enqueue(&engine, &queue, "while").await;
    let waiting = listed(&engine, &queue, JobState::Waiting).await;
    let texts: Vec<_> = waiting.iter().map(|(_, text)| &**text).collect();
    assert_eq!(texts, ["before", "while"]);
}

pub(super) async fn a_job_is_found_wherever_it_is(engines: Engines) {
    const OTHERS: usize = 200;
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    let find = async |id: &JobId| other.admin().job(&queue, id).await.unwrap();
    assert_eq!(find(&"unknown".into()).await, None);
    for number in 0..OTHERS {
        enqueue(&engine, &queue, number.to_string()).await;
        let later = NewJob::new("another").delay(LONG);
        engine.enqueue(&queue, later).await.unwrap();
    }
    let before = SystemTime::now() - Duration::from_secs(1);
    let id = enqueue(&engine, &queue, "x").await;
    let found = find(&id).await.expect("it waits");
    assert_eq!((found.job_id, found.state), (id.clone(), JobState::Waiting));
    assert_eq!((text(&found.payload), found.attempts), ("x".to_owned(), 0));
    assert!(found.enqueued_at >= before && found.due_at.is_none());

    let leased = engine.lease(&queue, OTHERS + 1).await.unwrap();
    let job = leased
        .iter()
        .find(|job| job.id == id)
        .expect("all are leased");
    let found = find(&id).await.expect("it runs");
    assert_eq!((found.state, found.attempts), (JobState::Running, 1));

    let retry = Failure::Retry { after: LONG };
    engine.fail(&queue, job, "no".into(), retry).await.unwrap();
    let found = find(&id).await.expect("it is put off");
    assert_eq!((found.state, found.attempts), (JobState::Delayed, 1));
    assert_eq!(text(&found.payload), "x");
    let due = found.due_at.expect("a delayed job has a time");
    assert!(due > before + LONG && due < before + LONG * 2);
    assert_eq!(engine.admin().job(&name("b"), &id).await, Ok(None));
}

pub(super) async fn a_job_that_waits_or_is_delayed_can_be_removed(engines: Engines) {
    let (engine, other) = (engines.one().await, engines.one().await);
    let queue = name("a");
    let remove = async |id: &JobId| other.admin().remove(&queue, id).await;
    assert_eq!(remove(&"unknown".into()).await, Ok(false));
    let running = enqueue(&engine, &queue, "running").await;
    let gone = enqueue(&engine, &queue, "gone").await;
    let kept = enqueue(&engine, &queue, "kept").await;
    let delayed = NewJob::new("delayed").delay(LONG);
    let delayed_id = delayed.id.clone();
    engine.enqueue(&queue, delayed).await.unwrap();
    let job = lease(&engine, &queue).await;
    assert_eq!(job.id, running);

    for id in [&gone, &delayed_id] {
        assert_eq!(remove(id).await, Ok(true));
        assert_eq!(remove(id).await, Ok(false));
        assert_eq!(other.admin().job(&queue, id).await, Ok(None));
    }
    assert_eq!(remove(&running).await, Ok(false), "it is leased");
    assert_eq!(stats(&engine, &queue).await, [1, 1, 0, 0]);
    assert_eq!(engine.complete(&queue, &job).await, Ok(()));
    let left = lease(&engine, &queue).await;
    assert_eq!(left.id, kept);
    assert_eq!(engine.complete(&queue, &left).await, Ok(()));
    assert_eq!(stats(&engine, &queue).await, [0; 4]);
}

pub(super) async fn a_removed_job_leaves_its_room_and_its_key(engines: Engines) {
    let limits = EngineLimits {
        jobs: Some(1),
        ..EngineLimits::default()
    };
    let engine = engines.with(limits).await;
    let queue = name("a");
    let keyed = NewJob::new("x").dedupe("k", LONG);
    let id = engine.enqueue(&queue, keyed).await.unwrap().job_id;
    assert_eq!(engine.admin().remove(&queue, &id).await, Ok(true));
    let again = NewJob::new("y").dedupe("k", LONG);
    assert!(engine.enqueue(&queue, again).await.unwrap().duplicate);
    enqueue(&engine, &queue, "z").await;
}
