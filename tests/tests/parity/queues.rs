//! Queued commands with the engine in memory.

use std::sync::Arc;

use mesh_runtime::{
    CallError, InstanceId, MemoryQueue, Node, Outcome, Queue, QueueName, testing::TestMesh,
};
use mesh_tests::{Back, Front, Parity, Stage, within};

async fn two(mesh: &TestMesh<Parity>, stage: &Stage) -> (Node<Front>, [Node<Back>; 2]) {
    let back = |name: &str| mesh.start_node(Back::node(stage.clone()).instance(name));
    let backs = [back("b1").await.unwrap(), back("b2").await.unwrap()];
    let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
    front.ready::<Back>(2).await.unwrap();
    (front, backs)
}

fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected
        .map(|(instance, text)| (instance.into(), text.into()))
        .into()
}

#[tokio::test]
async fn a_queued_balanced_command_is_worked_off_by_one_instance() {
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
async fn a_job_for_a_chosen_instance_is_worked_off_there() {
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
            .queue(MemoryQueue::new().max_jobs(1));
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
            let queue = MemoryQueue::new().max_jobs(jobs);
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
async fn the_queue_of_a_node_can_be_looked_into() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let stage = stage.behind_closed_gate();
        let queue = Arc::new(MemoryQueue::new());
        let builder = Back::node(stage.clone()).queue(Arc::clone(&queue));
        let _back = mesh.start_node(builder).await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        front.client::<Back>().job("x".into()).await.unwrap();
        let name = QueueName {
            mesh: "Parity".into(),
            node_type: "Back".into(),
            command: "job".into(),
            instance: None,
        };
        let stats = queue.stats(&name).await.unwrap();
        assert_eq!(stats.waiting + stats.running, 1);
        stage.open();
        assert_eq!(hearing.next().await.text, "x");
    })
    .await;
}
