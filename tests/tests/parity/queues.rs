//! Queued commands with the engine in memory.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mesh_runtime::{
    CallError, InstanceId, Node, Outcome,
    queue::{MemoryQueue, QueueAdmin, QueueName},
    testing::TestMesh,
};
use mesh_tests::{Back, Front, Parity, Stage, within};

async fn two(mesh: &TestMesh<Parity>, stage: &Stage) -> (Node<Front>, [Node<Back>; 2]) {
    let back = |name: &str| mesh.start_node(Back::node(stage.clone()).instance(name));
    let backs = [back("b1").await.unwrap(), back("b2").await.unwrap()];
    let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
    front.ready::<Back>(2).await.unwrap();
    (front, backs)
}

/// One `Back` and a `Front` that is linked to it.
async fn one(mesh: &TestMesh<Parity>, stage: &Stage) -> (Node<Front>, Node<Back>) {
    let builder = Back::node(stage.clone()).instance("b");
    let back = mesh.start_node(builder).await.unwrap();
    let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
    front.ready::<Back>(1).await.unwrap();
    (front, back)
}

fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected
        .map(|(instance, text)| (instance.into(), text.into()))
        .into()
}

#[tokio::test]
async fn a_queued_balanced_job_runs_on_one_instance() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, _backs) = two(&mesh, &stage).await;
        let client = front.client::<Back>();
        let one = client.job("one".into()).await.unwrap();
        let two = client.job("two".into()).await.unwrap();
        assert_ne!(one.job_id, two.job_id);
        let mut expected = vec![
            (one.instance.to_string(), "one".to_owned()),
            (two.instance.to_string(), "two".to_owned()),
        ];
        expected.sort();
        assert_eq!(hearing.next_sorted(2).await, expected);
        assert_ne!(one.instance, two.instance, "each in its turn");
    })
    .await;
}

#[tokio::test]
async fn a_job_for_a_chosen_instance_runs_there() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, _backs) = two(&mesh, &stage).await;
        for _ in 0..3 {
            let queued = front.client::<Back>().job("x".into()).to("b2").await;
            assert_eq!(queued.unwrap().instance, "b2");
            assert_eq!(hearing.next().await.instance, "b2");
        }
    })
    .await;
}

#[tokio::test]
async fn a_queued_broadcast_runs_once_on_each_instance() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, backs) = two(&mesh, &stage).await;
        let queued = front.client::<Back>().jobs("x".into()).await.unwrap();
        assert_eq!(queued.len(), 2);
        for (instance, queued) in queued.answers() {
            assert_eq!(queued.instance, *instance);
        }
        assert_eq!(
            hearing.next_sorted(2).await,
            pairs([("b1", "x"), ("b2", "x")])
        );
        for back in &backs {
            let report = back.shutdown().await;
            assert_eq!(report.unfinished_jobs, 0);
        }
        assert_eq!(hearing.so_far(), [], "nothing ran twice");
    })
    .await;
}

#[tokio::test]
async fn a_queued_broadcast_with_only_reaches_just_that_instance() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, _backs) = two(&mesh, &stage).await;
        let client = front.client::<Back>();
        let queued = client.jobs("only".into()).only(["b2"]).await.unwrap();
        assert_eq!(queued.len(), 1);
        let queued = client.jobs("except".into()).except(["b2"]).await.unwrap();
        assert_eq!(queued.len(), 1);
        let nobody: [InstanceId; 0] = [];
        let queued = client.jobs("nobody".into()).only(nobody).await.unwrap();
        assert!(queued.is_empty());
        let heard = hearing.next_sorted(2).await;
        assert_eq!(heard, pairs([("b1", "except"), ("b2", "only")]));
        client.names().await.unwrap();
        assert_eq!(hearing.so_far(), []);
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_refuses_the_job() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let stage = stage.behind_closed_gate();
        let builder = Back::node(stage.clone())
            .instance("b")
            .queue(Arc::new(MemoryQueue::new().max_jobs(1)));
        let back = mesh.start_node(builder).await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        let client = front.client::<Back>();

        client.job("first".into()).await.unwrap();
        let error = client.job("second".into()).await.unwrap_err();
        assert!(
            matches!(&error, CallError::QueueFull { peer, .. } if peer == back.id()),
            "{error:?}"
        );
        assert!(!error.maybe_executed());
        client.jobs("first".into()).await.unwrap();
        let gather = client.jobs("second".into()).await.unwrap();
        let outcomes: Vec<_> = gather.into_iter().map(|(_, outcome)| outcome).collect();
        assert!(
            matches!(
                &outcomes[..],
                [Outcome::Failed(CallError::QueueFull { .. })]
            ),
            "{outcomes:?}"
        );

        stage.open();
        assert_eq!(
            hearing.next_sorted(2).await,
            pairs([("b", "first"), ("b", "first")])
        );
    })
    .await;
}

#[tokio::test]
async fn a_job_that_one_instance_has_no_room_for_goes_to_the_next() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let stage = Stage::quiet().behind_closed_gate();
        let back = |name: &str, jobs| {
            let queue = Arc::new(MemoryQueue::new().max_jobs(jobs));
            mesh.start_node(Back::node(stage.clone()).instance(name).queue(queue))
        };
        let _small = back("b1", 1).await.unwrap();
        let _big = back("b2", 10).await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        front.ready::<Back>(2).await.unwrap();
        let mut of_b1 = 0;
        for _ in 0..6 {
            let queued = front.client::<Back>().job("x".into()).await.unwrap();
            of_b1 += u32::from(queued.instance == "b1");
        }
        assert_eq!(of_b1, 1);
    })
    .await;
}

#[tokio::test]
async fn the_engine_of_a_node_can_be_looked_into() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let stage = stage.behind_closed_gate();
        let engine = Arc::new(MemoryQueue::new());
        let builder = Back::node(stage.clone()).queue(engine.clone());
        let back = mesh.start_node(builder).await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        front.client::<Back>().job("x".into()).await.unwrap();
        let name = QueueName::new("Parity", "Back", "job");
        let stats = engine.stats(&name).await.unwrap();
        assert_eq!(stats.waiting + stats.running, 1);
        assert_eq!(*back.queues().job().name(), name);
        stage.open();
        assert_eq!(hearing.next().await.text, "x");
    })
    .await;
}

#[tokio::test]
async fn a_job_for_later_does_not_run_before_its_time_and_holds_up_no_other() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, back) = one(&mesh, &stage).await;
        let client = front.client::<Back>();
        let next_year = SystemTime::now() + Duration::from_secs(365 * 24 * 60 * 60);
        client.job("at".into()).at(next_year).await.unwrap();
        client
            .job("after".into())
            .delay(Duration::MAX)
            .await
            .unwrap();
        client.jobs("each".into()).at(next_year).await.unwrap();
        client.job("now".into()).await.unwrap();
        assert_eq!(hearing.next().await.text, "now");
        let (job, jobs) = (back.queues().job(), back.queues().jobs());
        assert_eq!(job.stats().await.unwrap().delayed, 2);
        assert_eq!(jobs.stats().await.unwrap().delayed, 1);
        assert_eq!(back.shutdown().await.unfinished_jobs, 3);
        assert_eq!(hearing.so_far(), []);
    })
    .await;
}

#[tokio::test]
async fn a_job_runs_when_its_time_has_come() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, _back) = one(&mesh, &stage).await;
        let client = front.client::<Back>();
        let short = Duration::from_millis(5);
        client.job("soon".into()).delay(short).await.unwrap();
        assert_eq!(hearing.next().await.text, "soon");
        client
            .jobs("soon, on each".into())
            .delay(short)
            .await
            .unwrap();
        assert_eq!(hearing.next().await.text, "soon, on each");
        client.job("past".into()).at(UNIX_EPOCH).await.unwrap();
        assert_eq!(hearing.next().await.text, "past");
    })
    .await;
}

#[tokio::test]
async fn of_a_delay_and_a_time_the_last_one_given_counts() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, back) = one(&mesh, &stage).await;
        let client = front.client::<Back>();
        let job = client.job("at".into()).delay(Duration::MAX);
        job.at(UNIX_EPOCH).await.unwrap();
        assert_eq!(hearing.next().await.text, "at");
        let job = client.job("delayed".into()).at(UNIX_EPOCH);
        job.delay(Duration::MAX).await.unwrap();
        let stats = back.queues().job().stats().await.unwrap();
        assert_eq!((stats.waiting, stats.delayed), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn a_job_with_the_key_of_an_earlier_one_is_left_out() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, back) = one(&mesh, &stage).await;
        let client = front.client::<Back>();
        let keyed = |text: &str, key: &str| {
            let job = client.job(text.into());
            job.dedupe(key, Duration::from_secs(3_600))
        };
        let first = keyed("first", "order-17").await.unwrap();
        assert!(!first.duplicate);
        let second = keyed("second", "order-17").await.unwrap();
        assert!(second.duplicate);
        assert_eq!(second.job_id, first.job_id);
        let other = keyed("other", "order-18").await.unwrap();
        assert!(!other.duplicate);
        assert_ne!(other.job_id, first.job_id);
        assert_eq!(back.shutdown().await.unfinished_jobs, 0);
        let mut ran: Vec<_> = hearing
            .so_far()
            .into_iter()
            .map(|heard| heard.text)
            .collect();
        ran.sort();
        assert_eq!(ran, ["first", "other"]);
    })
    .await;
}

#[tokio::test]
async fn each_instance_leaves_out_what_it_had_of_a_queued_broadcast() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, backs) = two(&mesh, &stage).await;
        let keyed = |text: &str| {
            let jobs = front.client::<Back>().jobs(text.into());
            jobs.dedupe("today", Duration::from_secs(3_600))
        };
        let first = keyed("first").only(["b1"]).await.unwrap();
        assert!(first.values().all(|queued| !queued.duplicate));
        let second = keyed("second").await.unwrap();
        let duplicates: Vec<_> = second
            .answers()
            .map(|(instance, queued)| (instance.as_str(), queued.duplicate))
            .collect();
        assert_eq!(duplicates, [("b1", true), ("b2", false)]);
        let [of_first, of_second] = [&first, &second].map(|queued| queued.values().next().unwrap());
        assert_eq!(of_second.job_id, of_first.job_id);
        for back in &backs {
            back.shutdown().await;
        }
        assert_eq!(
            hearing.next_sorted(2).await,
            pairs([("b1", "first"), ("b2", "second")])
        );
        assert_eq!(hearing.so_far(), []);
    })
    .await;
}

#[tokio::test]
async fn a_queue_with_all_the_keys_it_may_have_refuses_another() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let builder = Back::node(Stage::quiet()).queue(Arc::new(MemoryQueue::new().max_keys(1)));
        let _back = mesh.start_node(builder).await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        let client = front.client::<Back>();
        let keyed = |key| client.job("x".into()).dedupe(key, Duration::MAX);
        keyed("one").await.unwrap();
        let error = keyed("two").await.unwrap_err();
        assert!(matches!(error, CallError::QueueFull { .. }), "{error:?}");
        assert!(keyed("one").await.unwrap().duplicate);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_empty_or_too_long_is_an_error_and_nothing_is_sent() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, back) = one(&mesh, &stage).await;
        let client = front.client::<Back>();
        for key in [String::new(), "k".repeat(257)] {
            let job = client.job("x".into()).dedupe(&*key, Duration::MAX);
            let error = job.await.unwrap_err();
            assert!(matches!(error, CallError::Codec { .. }), "{error:?}");
            assert!(!error.maybe_executed());
            let text = error.to_string();
            assert!(text.contains("the job options of Back.job"), "{text}");
            assert!(text.contains("1 to 256 bytes"), "{text}");
            let jobs = client.jobs("x".into()).dedupe(key, Duration::MAX);
            assert!(jobs.await.is_err());
        }
        back.shutdown().await;
        assert_eq!(hearing.so_far(), []);
    })
    .await;
}

#[tokio::test]
async fn a_paused_queue_takes_jobs_and_runs_them_once_resumed() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, back) = one(&mesh, &stage).await;
        let client = front.client::<Back>();
        let queue = back.queues().job();
        queue.pause().await.unwrap();
        client.job("paused".into()).await.unwrap();
        client.jobs("of another queue".into()).await.unwrap();
        assert_eq!(hearing.next().await.text, "of another queue");
        let stats = queue.stats().await.unwrap();
        assert_eq!((stats.waiting, stats.running, stats.paused), (1, 0, true));
        queue.resume().await.unwrap();
        assert_eq!(hearing.next().await.text, "paused");
        assert!(!queue.stats().await.unwrap().paused);
    })
    .await;
}

/// Starts a `Back` that turns one job of each command into a dead letter, and shuts it down. The dead letters stay in
/// the engine.
async fn leave_dead_letters(mesh: &TestMesh<Parity>, engine: &Arc<MemoryQueue>) {
    let builder = Back::node(Stage::quiet().refusing_jobs())
        .instance("b1")
        .queue(engine.clone());
    let back = mesh.start_node(builder).await.unwrap();
    let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
    front.ready::<Back>(1).await.unwrap();
    front.client::<Back>().job("one".into()).await.unwrap();
    front.client::<Back>().jobs("each".into()).await.unwrap();
    assert_eq!(back.shutdown().await.unfinished_jobs, 0);
}

#[tokio::test]
async fn dead_letters_are_listed_with_their_arguments_and_run_once_requeued() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let engine = Arc::new(MemoryQueue::new());
        leave_dead_letters(&mesh, &engine).await;
        let (stage, mut hearing) = Stage::new();
        let builder = Back::node(stage).instance("b2").queue(engine);
        let back = mesh.start_node(builder).await.unwrap();
        let queues = back.queues();
        for (queue, text, instance) in [
            (queues.job(), "one", None),
            (queues.jobs(), "each", Some("b1")),
        ] {
            let letters = queue.dead_letters(9).await.unwrap();
            assert_eq!(letters.len(), 1);
            let letter = &letters[0];
            assert_eq!(letter.args(), Some(Ok((text.to_owned(),))));
            assert_eq!(letter.error, format!("{text} is refused"));
            assert_eq!(letter.attempts, 1);
            assert_eq!(letter.instance, instance.map(InstanceId::from));
            assert_eq!(queue.stats().await.unwrap().dead, 1);

            assert_eq!(queue.requeue(&letter.job_id).await, Ok(true));
            let heard = hearing.next().await;
            assert_eq!((heard.instance.as_str(), &*heard.text), ("b2", text));
            assert!(queue.dead_letters(9).await.unwrap().is_empty());
            assert_eq!(queue.requeue(&letter.job_id).await, Ok(false));
        }
    })
    .await;
}

#[tokio::test]
async fn dead_letters_can_be_thrown_away_and_requeued_all_at_once() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let engine = Arc::new(MemoryQueue::new());
        for _ in 0..3 {
            leave_dead_letters(&mesh, &engine).await;
        }
        let (stage, mut hearing) = Stage::new();
        let builder = Back::node(stage).instance("b2").queue(engine);
        let back = mesh.start_node(builder).await.unwrap();
        let queue = back.queues().job();
        let oldest = queue.dead_letters(1).await.unwrap().remove(0);
        assert_eq!(queue.purge(&oldest.job_id).await, Ok(true));
        assert_eq!(queue.purge(&oldest.job_id).await, Ok(false));
        assert_eq!(queue.requeue_all().await, Ok(2));
        assert_eq!(
            hearing.next_sorted(2).await,
            pairs([("b2", "one"), ("b2", "one")])
        );
        assert_eq!(back.queues().jobs().purge_all().await, Ok(3));
        assert_eq!(back.shutdown().await.unfinished_jobs, 0);
        assert_eq!(hearing.so_far(), []);
    })
    .await;
}
