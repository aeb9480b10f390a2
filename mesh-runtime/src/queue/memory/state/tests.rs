//! Tests of one queue's state, beside `state.rs` to keep that readable.

use super::*;

const LIMITS: QueueLimits = QueueLimits {
    jobs: 3,
    bytes: 100,
    dead: 2,
    keys: Some(2),
};
const WALL: SystemTime = SystemTime::UNIX_EPOCH;

fn job(id: &str, bytes: usize) -> NewJob {
    NewJob {
        id: id.into(),
        ..NewJob::new(vec![0; bytes])
    }
}

fn enqueue(state: &mut QueueState, job: NewJob) -> Result<Enqueued, QueueError> {
    state.enqueue(job, Instant::now(), WALL, &LIMITS)
}

fn push(state: &mut QueueState, id: &str, bytes: usize) -> Result<(), QueueError> {
    enqueue(state, job(id, bytes)).map(|_| ())
}

fn ids(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.id.as_str()).collect()
}

fn accepted(id: &str) -> Result<Enqueued, QueueError> {
    Ok(Enqueued {
        job_id: id.into(),
        duplicate: false,
    })
}

fn repeats(id: &str) -> Result<Enqueued, QueueError> {
    Ok(Enqueued {
        job_id: id.into(),
        duplicate: true,
    })
}

#[test]
fn jobs_are_leased_in_their_order_and_no_more_than_asked_for() {
    let mut state = QueueState::default();
    for id in ["a", "b", "c"] {
        push(&mut state, id, 1).unwrap();
    }
    let now = Instant::now();
    assert_eq!(ids(&state.lease(2, now)), ["a", "b"]);
    assert_eq!(ids(&state.lease(2, now)), ["c"]);
    assert!(state.lease(2, now).is_empty());
}

#[test]
fn a_queue_is_full_at_its_number_of_jobs_until_one_is_done() {
    let mut state = QueueState::default();
    for id in ["a", "b", "c"] {
        push(&mut state, id, 1).unwrap();
    }
    let full = Err(QueueError::Full { limit: 3 });
    assert_eq!(push(&mut state, "d", 1), full);
    state.lease(1, Instant::now());
    assert_eq!(push(&mut state, "d", 1), full, "a running job has its room");
    state.complete(&"a".into()).unwrap();
    push(&mut state, "d", 1).unwrap();
}

#[test]
fn a_queue_is_full_at_its_number_of_bytes_until_they_are_freed() {
    let mut state = QueueState::default();
    push(&mut state, "a", 60).unwrap();
    let full = Err(QueueError::FullBytes { limit: 100 });
    assert_eq!(push(&mut state, "b", 41), full);
    push(&mut state, "c", 40).unwrap();
    state.lease(1, Instant::now());
    state.complete(&"a".into()).unwrap();
    push(&mut state, "b", 60).unwrap();
    assert_eq!(push(&mut QueueState::default(), "d", 101), full);
}

#[test]
fn a_job_that_is_put_off_comes_when_it_is_due_and_not_before() {
    let mut state = QueueState::default();
    let now = Instant::now();
    for (id, seconds) in [("late", 2), ("soon", 1), ("also soon", 1)] {
        let delayed = job(id, 0).delay(Duration::from_secs(seconds));
        state.enqueue(delayed, now, WALL, &LIMITS).unwrap();
    }
    assert!(state.lease(9, now).is_empty());
    assert_eq!(state.stats(now, WALL).delayed, 3);
    let due = state.next_due().unwrap();
    assert_eq!(due, now + Duration::from_secs(1));
    assert_eq!(ids(&state.lease(9, due)), ["soon", "also soon"]);
    assert_eq!(ids(&state.lease(9, due + Duration::from_secs(1))), ["late"]);
}

#[test]
fn a_time_of_day_is_reckoned_from_the_wall_clock_at_the_start() {
    let mut state = QueueState::default();
    let now = Instant::now();
    let at = WALL + Duration::from_secs(60);
    for (id, wall) in [("too late", at + Duration::from_secs(1)), ("early", WALL)] {
        state
            .enqueue(job(id, 0).at(at), now, wall, &LIMITS)
            .unwrap();
    }
    assert_eq!(ids(&state.lease(9, now)), ["too late"]);
    assert_eq!(state.next_due(), Some(now + Duration::from_secs(60)));
}

#[test]
fn a_job_given_back_is_the_next_and_its_attempt_does_not_count() {
    let mut state = QueueState::default();
    push(&mut state, "a", 1).unwrap();
    push(&mut state, "b", 1).unwrap();
    let now = Instant::now();
    state.lease(1, now);
    state.release(&"a".into()).unwrap();
    let again = state.lease(1, now);
    assert_eq!((again[0].id.as_str(), again[0].attempt), ("a", 1));
}

#[test]
fn a_lease_ends_once() {
    let mut state = QueueState::default();
    push(&mut state, "a", 1).unwrap();
    state.lease(1, Instant::now());
    let id = JobId::from("a");
    state.complete(&id).unwrap();
    let not_leased = QueueError::NotLeased { job: id.clone() };
    assert_eq!(state.complete(&id), Err(not_leased.clone()));
    assert_eq!(state.release(&id), Err(not_leased));
}

#[test]
fn a_job_at_its_end_leaves_its_room_and_what_is_put_back_takes_it() {
    let mut state = QueueState::default();
    push(&mut state, "a", 90).unwrap();
    let now = Instant::now();
    state.lease(1, now);
    let ended = state.fail(&"a".into(), Failure::Dead, now).unwrap();
    let payload = ended.expect("it becomes a dead letter").payload;
    assert_eq!((payload.len(), state.bytes), (90, 0));
    state.put_back("a".into(), payload, WALL);
    assert_eq!(state.bytes, 90);
    assert_eq!(state.lease(1, now)[0].attempt, 1);
}

#[test]
fn a_key_keeps_its_repetitions_out_for_its_window() {
    let mut state = QueueState::default();
    let start = Instant::now();
    let window = Duration::from_secs(60);
    let mut try_at = |id, seconds| {
        let job = job(id, 1).dedupe("order-17", window);
        let now = start + Duration::from_secs(seconds);
        state.enqueue(job, now, WALL, &LIMITS)
    };
    assert_eq!(try_at("a", 0), accepted("a"));
    assert_eq!(try_at("b", 59), repeats("a"));
    assert_eq!(try_at("c", 60), accepted("c"), "counted from the first");
    assert_eq!(try_at("d", 61), repeats("c"));
    assert_eq!(state.stats(start, WALL).waiting, 2);
}

#[test]
fn a_key_is_remembered_when_its_job_is_done() {
    let mut state = QueueState::default();
    let keyed = |id| job(id, 1).dedupe("k", Duration::MAX);
    assert_eq!(enqueue(&mut state, keyed("a")), accepted("a"));
    state.lease(1, Instant::now());
    state.complete(&"a".into()).unwrap();
    assert_eq!(enqueue(&mut state, keyed("b")), repeats("a"));
}

#[test]
fn a_job_that_was_refused_leaves_no_key() {
    let mut state = QueueState::default();
    let keyed = |id, bytes| job(id, bytes).dedupe("k", Duration::MAX);
    let full = Err(QueueError::FullBytes { limit: 100 });
    assert_eq!(enqueue(&mut state, keyed("big", 101)), full);
    assert_eq!(enqueue(&mut state, keyed("small", 1)), accepted("small"));
}

#[test]
fn a_repetition_is_left_out_of_a_full_queue_without_an_error() {
    let mut state = QueueState::default();
    let keyed = |id| job(id, 100).dedupe("k", Duration::MAX);
    assert_eq!(enqueue(&mut state, keyed("a")), accepted("a"));
    assert_eq!(enqueue(&mut state, keyed("b")), repeats("a"));
}

#[test]
fn a_queue_remembers_so_many_keys_until_one_expires() {
    let mut state = QueueState::default();
    let now = Instant::now();
    let mut keyed = |id: &str, now, seconds| {
        let job = job(id, 1).dedupe(id, Duration::from_secs(seconds));
        state.enqueue(job, now, WALL, &LIMITS)
    };
    keyed("a", now, 60).unwrap();
    keyed("b", now, 10).unwrap();
    let full = Err(QueueError::FullKeys { limit: 2 });
    assert_eq!(keyed("c", now, 60), full);
    assert_eq!(keyed("a", now, 60), repeats("a"));
    let soon = now + Duration::from_secs(10);
    assert_eq!(keyed("c", soon, 60), accepted("c"));
}

#[test]
fn sixteen_keys_are_remembered_for_each_job_unless_told_otherwise() {
    let limits = QueueLimits {
        keys: None,
        ..LIMITS
    };
    assert_eq!((limits.keys(), LIMITS.keys()), (48, 2));
}

#[test]
fn a_paused_queue_accepts_jobs_and_leases_none() {
    let mut state = QueueState::default();
    let now = Instant::now();
    state.set_paused(true);
    push(&mut state, "now", 1).unwrap();
    let delayed = job("later", 1).delay(Duration::from_secs(1));
    state.enqueue(delayed, now, WALL, &LIMITS).unwrap();
    assert!(state.lease(9, now).is_empty());
    assert_eq!(state.next_due(), None, "there is nothing to wait for");
    assert!(state.stats(now, WALL).paused);
    state.set_paused(false);
    assert_eq!(ids(&state.lease(9, now)), ["now"]);
    assert_eq!(state.next_due(), Some(now + Duration::from_secs(1)));
}

#[test]
fn the_stats_count_every_job_where_it_is() {
    let mut state = QueueState::default();
    let now = Instant::now();
    for id in ["running", "retry", "waiting"] {
        push(&mut state, id, 1).unwrap();
    }
    state.lease(2, now);
    let after = Duration::MAX;
    let retry = state.fail(&"retry".into(), Failure::Retry { after }, now);
    assert!(retry.unwrap().is_none());
    let stats = state.stats(now, WALL + Duration::from_secs(7));
    assert_eq!(
        stats,
        QueueStats {
            waiting: 1,
            running: 1,
            delayed: 1,
            dead: 0,
            oldest_age: Some(Duration::from_secs(7)),
            paused: false,
        }
    );
}
