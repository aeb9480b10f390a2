//! Queued commands from stub to handler, with every engine.

use std::time::UNIX_EPOCH;

use mesh_runtime::{InstanceId, Node, queue::JobState, testing::TestMesh};

use crate::{
    engines::{Engines, LONG, SHORT, counts, until},
    workshop::{Bench, Office, Run, Runs, Worker, Workshop, queue},
};

both_engines! {
    a_queued_balanced_job_runs_once_on_one_instance
    a_queued_broadcast_job_runs_once_on_each_instance
    jobs_run_when_their_time_has_come
    a_job_with_a_known_key_is_left_out
    a_job_that_fails_once_runs_again_under_the_same_id
    a_job_that_always_fails_becomes_a_dead_letter
    a_job_that_is_discarded_becomes_a_dead_letter_at_once
    a_job_that_panics_runs_again_and_then_becomes_a_dead_letter
    a_dead_letter_runs_once_requeued
    a_dead_letter_of_another_instance_runs_where_it_is_requeued
    a_paused_queue_runs_nothing_until_it_is_resumed
    jobs_are_looked_at_and_removed_before_they_run
    no_more_jobs_run_at_once_than_may
}

/// A mesh with one `Office` and one `Bench`.
struct House {
    mesh: TestMesh<Workshop>,
    engines: Engines,
    worker: Worker,
    runs: Runs,
    bench: Node<Bench>,
    office: Node<Office>,
}

impl House {
    async fn new(engines: Engines) -> Self {
        let mesh = TestMesh::start().await.unwrap();
        let (worker, runs) = Worker::new();
        let bench = start_bench(&mesh, &engines, &worker, "one").await;
        let office = mesh.start_node(Office::node()).await.unwrap();
        office.ready::<Bench>(1).await.unwrap();
        Self {
            mesh,
            engines,
            worker,
            runs,
            bench,
            office,
        }
    }

    async fn another_bench(&self, instance: &str) -> Node<Bench> {
        let bench = start_bench(&self.mesh, &self.engines, &self.worker, instance).await;
        self.office.ready::<Bench>(2).await.unwrap();
        bench
    }

    async fn until_counts(&self, command: &str, expected: [u64; 4]) {
        let queue = queue(&self.bench, command);
        until("the queue is as it should be", async || {
            counts(&queue.stats().await.unwrap()) == expected
        })
        .await;
    }
}

async fn start_bench(
    mesh: &TestMesh<Workshop>,
    engines: &Engines,
    worker: &Worker,
    instance: &str,
) -> Node<Bench> {
    let bench = Bench::node(worker.clone())
        .instance(instance)
        .queue(engines.one().await);
    mesh.start_node(bench).await.unwrap()
}

async fn a_queued_balanced_job_runs_once_on_one_instance(engines: Engines) {
    let mut house = House::new(engines).await;
    let _two = house.another_bench("two").await;
    let client = house.office.client::<Bench>();
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(client.job(number.to_string()).await.unwrap().job_id);
    }
    let mut ran = Vec::new();
    for _ in 0..20 {
        let run = house.runs.next().await;
        assert_eq!(run.attempt, 1);
        ran.push(run.id);
    }
    house.until_counts("job", [0; 4]).await;
    assert_eq!(house.runs.so_far(), []);
    ids.sort();
    ran.sort();
    assert_eq!(ran, ids);
}

async fn a_queued_broadcast_job_runs_once_on_each_instance(engines: Engines) {
    let mut house = House::new(engines).await;
    let two = house.another_bench("two").await;
    let client = house.office.client::<Bench>();
    let queued = client.jobs("x".into()).await.unwrap();
    assert_eq!(queued.require_all().unwrap().len(), 2);
    let mut instances = [house.runs.next().await, house.runs.next().await].map(|run| run.instance);
    instances.sort();
    assert_eq!(instances, ["one", "two"]);
    client.jobs("y".into()).only(["two"]).await.unwrap();
    assert_eq!(house.runs.next().await.instance, "two");
    for bench in [&house.bench, &two] {
        assert_eq!(bench.shutdown().await.unfinished_jobs, 0);
    }
    assert_eq!(house.runs.so_far(), []);
}

async fn jobs_run_when_their_time_has_come(engines: Engines) {
    let mut house = House::new(engines).await;
    let client = house.office.client::<Bench>();
    client.job("much later".into()).delay(LONG).await.unwrap();
    client.job("soon".into()).delay(SHORT).await.unwrap();
    assert_eq!(house.runs.next().await.text, "soon");
    client.job("past".into()).at(UNIX_EPOCH).await.unwrap();
    assert_eq!(house.runs.next().await.text, "past");
    client.jobs("on each".into()).delay(SHORT).await.unwrap();
    assert_eq!(house.runs.next().await.text, "on each");
    house.until_counts("job", [0, 0, 1, 0]).await;
}

async fn a_job_with_a_known_key_is_left_out(engines: Engines) {
    let mut house = House::new(engines).await;
    let client = house.office.client::<Bench>();
    let first = client.job("first".into()).dedupe("k", LONG).await.unwrap();
    assert!(!first.duplicate);
    assert_eq!(house.runs.next().await.id, first.job_id);
    house.until_counts("job", [0; 4]).await;
    let second = client.job("second".into()).dedupe("k", LONG).await.unwrap();
    assert_eq!((second.duplicate, second.job_id), (true, first.job_id));
    let other = client.job("other".into()).dedupe("l", LONG).await.unwrap();
    assert!(!other.duplicate);
    assert_eq!(house.runs.next().await.text, "other");
}

async fn a_job_that_fails_once_runs_again_under_the_same_id(engines: Engines) {
    let mut house = House::new(engines).await;
    let client = house.office.client::<Bench>();
    let queued = client.job("fail-once".into()).await.unwrap();
    for attempt in [1, 2] {
        let expected = Run {
            instance: "one".into(),
            id: queued.job_id.clone(),
            attempt,
            text: "fail-once".into(),
        };
        assert_eq!(house.runs.next().await, expected);
    }
    house.until_counts("job", [0; 4]).await;
}

async fn a_job_that_always_fails_becomes_a_dead_letter(engines: Engines) {
    let mut house = House::new(engines).await;
    let client = house.office.client::<Bench>();
    for (command, instance) in [("job", None), ("jobs", Some(InstanceId::from("one")))] {
        let job_id = if command == "job" {
            client.job("fail".into()).await.unwrap().job_id
        } else {
            let queued = client.jobs("fail".into()).await.unwrap();
            queued.values().next().unwrap().job_id.clone()
        };
        house.until_counts(command, [0, 0, 0, 1]).await;
        let attempts: Vec<_> = house.runs.so_far().iter().map(|run| run.attempt).collect();
        assert_eq!(attempts, [1, 2, 3]);
        let queue = queue(&house.bench, command);
        let letter = queue.dead_letters(9).await.unwrap().remove(0);
        assert_eq!(letter.job_id, job_id);
        assert_eq!(letter.instance, instance);
        assert_eq!(letter.error, "fail: attempt 3");
        assert_eq!(letter.attempts, 3);
        assert_eq!(letter.args(), Some(Ok(("fail".to_owned(),))));
        assert!(letter.enqueued_at <= letter.died_at);
    }
}

async fn a_job_that_is_discarded_becomes_a_dead_letter_at_once(engines: Engines) {
    let mut house = House::new(engines).await;
    let client = house.office.client::<Bench>();
    client.job("discard it".into()).await.unwrap();
    house.until_counts("job", [0, 0, 0, 1]).await;
    assert_eq!(house.runs.so_far().len(), 1);
    let queue = house.bench.queues().job();
    let letter = queue.dead_letters(9).await.unwrap().remove(0);
    assert_eq!((&*letter.error, letter.attempts), ("discard it", 1));
}

async fn a_job_that_panics_runs_again_and_then_becomes_a_dead_letter(engines: Engines) {
    let mut house = House::new(engines).await;
    let client = house.office.client::<Bench>();
    client.job("panic now".into()).await.unwrap();
    house.until_counts("job", [0, 0, 0, 1]).await;
    assert_eq!(house.runs.so_far().len(), 3);
    let queue = house.bench.queues().job();
    let letter = queue.dead_letters(9).await.unwrap().remove(0);
    assert_eq!(letter.error, "the handler panicked: panic now");
    client.job("another".into()).await.unwrap();
    assert_eq!(house.runs.next().await.text, "another");
}

async fn a_dead_letter_runs_once_requeued(engines: Engines) {
    let mut house = House::new(engines).await;
    let client = house.office.client::<Bench>();
    for text in ["discard one", "discard two", "discard three"] {
        client.job(text.into()).await.unwrap();
        house.runs.next().await;
    }
    house.until_counts("job", [0, 0, 0, 3]).await;
    let queue = house.bench.queues().job();
    let letters = queue.dead_letters(9).await.unwrap();
    assert_eq!(queue.requeue(&letters[0].job_id).await, Ok(true));
    let again = house.runs.next().await;
    assert_eq!((&again.id, again.attempt), (&letters[0].job_id, 1));
    house.until_counts("job", [0, 0, 0, 3]).await;
    assert_eq!(queue.requeue_all().await, Ok(3));
    let texts = house.runs.next_texts(3).await;
    assert_eq!(texts, ["discard one", "discard three", "discard two"]);
    house.until_counts("job", [0, 0, 0, 3]).await;
    assert_eq!(queue.purge(&letters[0].job_id).await, Ok(true));
    assert_eq!(queue.requeue(&letters[0].job_id).await, Ok(false));
    assert_eq!(queue.purge_all().await, Ok(2));
    house.until_counts("job", [0; 4]).await;
    assert_eq!(house.runs.so_far(), []);
}

async fn a_dead_letter_of_another_instance_runs_where_it_is_requeued(engines: Engines) {
    let mut house = House::new(engines).await;
    let client = house.office.client::<Bench>();
    client.jobs("discard".into()).await.unwrap();
    house.runs.next().await;
    house.until_counts("jobs", [0, 0, 0, 1]).await;
    let two = house.another_bench("two").await;
    let queue = two.queues().jobs();
    let letter = queue.dead_letters(9).await.unwrap().remove(0);
    assert_eq!(letter.instance, Some("one".into()));
    assert_eq!(letter.args(), Some(Ok(("discard".to_owned(),))));
    assert_eq!(queue.requeue(&letter.job_id).await, Ok(true));
    let again = house.runs.next().await;
    assert_eq!((&*again.instance, &*again.text), ("two", "discard"));
}

async fn a_paused_queue_runs_nothing_until_it_is_resumed(engines: Engines) {
    let mut house = House::new(engines).await;
    let client = house.office.client::<Bench>();
    let queue = house.bench.queues().job();
    queue.pause().await.unwrap();
    for number in 0..3 {
        client.job(number.to_string()).await.unwrap();
    }
    client.jobs("of another queue".into()).await.unwrap();
    assert_eq!(house.runs.next().await.text, "of another queue");
    let paused = queue.stats().await.unwrap();
    assert_eq!((counts(&paused), paused.paused), ([3, 0, 0, 0], true));
    queue.resume().await.unwrap();
    assert_eq!(house.runs.next_texts(3).await, ["0", "1", "2"]);
    assert!(!queue.stats().await.unwrap().paused);
}

async fn no_more_jobs_run_at_once_than_may(engines: Engines) {
    let mut house = House::new(engines).await;
    let client = house.office.client::<Bench>();
    for number in 0..5 {
        client
            .two_at_a_time(format!("hold {number}"))
            .await
            .unwrap();
    }
    house.until_counts("two_at_a_time", [3, 2, 0, 0]).await;
    // The worker would have begun a third job before it received a job of another queue.
    client.job("of another queue".into()).await.unwrap();
    let mut begun = house.runs.next_texts(3).await;
    assert_eq!(begun.pop().as_deref(), Some("of another queue"));
    assert_eq!(house.runs.so_far(), []);
    house.worker.open();
    assert_eq!(house.runs.next_texts(3).await.len(), 3);
    house.until_counts("two_at_a_time", [0; 4]).await;
}

async fn jobs_are_looked_at_and_removed_before_they_run(engines: Engines) {
    let mut house = House::new(engines).await;
    let queue = house.bench.queues().job();
    queue.pause().await.unwrap();
    let client = house.office.client::<Bench>();
    let gone = client.job("gone".into()).await.unwrap().job_id;
    let kept = client.job("kept".into()).await.unwrap().job_id;
    let later = client.job("later".into()).delay(LONG).await.unwrap().job_id;

    let waiting = queue.jobs(JobState::Waiting, 9).await.unwrap();
    let args: Vec<_> = waiting.iter().map(|job| job.args()).collect();
    let expected = ["gone", "kept"].map(|text| Some(Ok((text.to_owned(),))));
    assert_eq!(args, expected);
    let delayed = queue.job(&later).await.unwrap().expect("it is delayed");
    assert_eq!(delayed.state, JobState::Delayed);
    assert_eq!(delayed.args(), Some(Ok(("later".to_owned(),))));

    assert!(queue.remove(&gone).await.unwrap());
    assert!(queue.remove(&later).await.unwrap());
    assert!(!queue.remove(&gone).await.unwrap());
    assert!(queue.job(&gone).await.unwrap().is_none());
    queue.resume().await.unwrap();
    assert_eq!(house.runs.next().await.id, kept);
    house.until_counts("job", [0; 4]).await;
    assert_eq!(house.runs.so_far(), []);
}
