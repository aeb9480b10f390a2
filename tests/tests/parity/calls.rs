//! Balanced calls: which instances they reach.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::IntoFuture,
};

use mesh_runtime::{CallError, Node, testing::TestMesh};
use mesh_tests::{Back, Front, Ledger, Parity, Stage, within};

/// Instances of `Back` with these names, and a `Front` that is linked to all of them.
async fn with_backs(
    mesh: &TestMesh<Parity>,
    names: &[&str],
    stage: &Stage,
) -> (Node<Front>, Vec<Node<Back>>) {
    let mut backs = Vec::new();
    for name in names {
        let builder = Back::node(stage.clone()).instance(*name);
        backs.push(mesh.start_node(builder).await.unwrap());
    }
    let builder = Front::node(Stage::quiet()).instance("a");
    let front = mesh.start_node(builder).await.unwrap();
    front.ready::<Back>(names.len()).await.unwrap();
    (front, backs)
}

#[tokio::test]
async fn a_balanced_call_reaches_exactly_one_instance() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, _backs) = with_backs(&mesh, &["b1", "b2"], &stage).await;
        front.client::<Back>().take("x".into()).await.unwrap();
        // When the gather is complete, anything sent earlier to the other instance has arrived there.
        front.client::<Back>().names().await.unwrap();
        let heard = hearing.so_far();
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert_eq!(heard[0].caller.as_ref(), Some(front.id()));
    })
    .await;
}

#[tokio::test]
async fn two_balanced_calls_in_a_row_reach_both_instances_and_bring_an_answer() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, _backs) = with_backs(&mesh, &["b1", "b2"], &Stage::quiet()).await;
        let client = front.client::<Back>();
        let answers = BTreeSet::from([client.name().await.unwrap(), client.name().await.unwrap()]);
        assert_eq!(answers, BTreeSet::from(["b1".to_owned(), "b2".to_owned()]));
    })
    .await;
}

#[tokio::test]
async fn two_balanced_calls_in_a_row_reach_both_instances_without_an_answer() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, _backs) = with_backs(&mesh, &["b1", "b2"], &stage).await;
        let client = front.client::<Back>();
        client.take("x".into()).await.unwrap();
        client.take("x".into()).await.unwrap();
        let heard: BTreeSet<_> = hearing
            .so_far()
            .into_iter()
            .map(|heard| heard.instance.to_string())
            .collect();
        assert_eq!(heard, BTreeSet::from(["b1".to_owned(), "b2".to_owned()]));
    })
    .await;
}

#[tokio::test]
async fn round_robin_differs_by_at_most_one_and_is_counted_for_each_command() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, _backs) = with_backs(&mesh, &["b1", "b2", "b3"], &stage).await;
        let client = front.client::<Back>();
        let mut names = BTreeMap::<String, u32>::new();
        for _ in 0..10 {
            *names.entry(client.name().await.unwrap()).or_default() += 1;
            client.take("x".into()).await.unwrap();
        }
        let mut takes = BTreeMap::<String, u32>::new();
        for heard in hearing.so_far() {
            *takes.entry(heard.instance.to_string()).or_default() += 1;
        }
        for counts in [names, takes] {
            assert_eq!(counts.values().sum::<u32>(), 10);
            assert!(
                counts.values().all(|count| [3, 4].contains(count)),
                "{counts:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_balanced_call_to_a_chosen_instance_reaches_that_one() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, backs) = with_backs(&mesh, &["b1", "b2", "b3"], &Stage::quiet()).await;
        for back in &backs {
            for _ in 0..3 {
                let answer = front.client::<Back>().name().to(back.instance()).await;
                assert_eq!(answer.unwrap(), back.instance().as_str());
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_to_an_instance_that_is_not_linked_finds_no_peer() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, _backs) = with_backs(&mesh, &["b1"], &Stage::quiet()).await;
        let error = front.client::<Back>().name().to("b2").await.unwrap_err();
        assert!(
            matches!(&error, CallError::NoPeer { node_type: "Back", instance: Some(id) } if *id == "b2"),
            "{error:?}"
        );
        assert!(!error.maybe_executed());
    })
    .await;
}

#[tokio::test]
async fn a_call_without_any_instance_finds_no_peer() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        let error = front.client::<Back>().name().await.unwrap_err();
        assert!(matches!(
            error,
            CallError::NoPeer {
                node_type: "Back",
                instance: None
            }
        ));
    })
    .await;
}

#[tokio::test]
async fn the_one_that_was_dialled_calls_back_over_the_same_link() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let back = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        let builder = Front::node(stage).instance("a");
        let front = mesh.start_node(builder).await.unwrap();
        back.ready::<Front>(1).await.unwrap();
        let client = back.client::<Front>();

        assert_eq!(client.front_name().await.unwrap(), "a");
        let names = client.front_names().await.unwrap();
        assert_eq!(names.values().collect::<Vec<_>>(), ["a"]);
        let queued = client.front_job("later".into()).await.unwrap();
        assert_eq!(queued.instance, "a");
        assert_eq!(hearing.next().await.text, "later");

        assert_eq!(back.links().len(), 1);
        assert_eq!(front.links().len(), 1);
        assert!(front.links()[0].dialled);
    })
    .await;
}

#[tokio::test]
async fn calls_with_equal_keys_stay_with_one_instance_and_different_keys_spread() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, _backs) = with_backs(&mesh, &["b1", "b2", "b3"], &Stage::quiet()).await;
        let client = front.client::<Back>();
        let mut used = BTreeSet::new();
        for n in 0..20 {
            let key = format!("key {n}");
            let first = client.sticky(key.clone()).await.unwrap();
            for _ in 0..3 {
                assert_eq!(client.sticky(key.clone()).await.unwrap(), first);
            }
            used.insert(first);
        }
        assert!(used.len() > 1, "20 keys all went to {used:?}");
    })
    .await;
}

#[tokio::test]
async fn a_limit_on_concurrency_lets_one_handler_run_at_a_time() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let stage = stage.behind_closed_gate();
        let (front, _backs) = with_backs(&mesh, &["b1"], &stage).await;
        let client = front.client::<Back>();
        let calls: Vec<_> = (0..5)
            .map(|n| tokio::spawn(client.alone(n.to_string()).into_future()))
            .collect();
        hearing.next().await;
        // A call that was sent after those five returns while they wait, so all of them have arrived.
        client.name().await.unwrap();
        assert_eq!(
            hearing.so_far(),
            [],
            "a second handler runs beside the first"
        );
        stage.open();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "b1");
        }
        assert_eq!(hearing.so_far().len(), 4);
    })
    .await;
}

#[tokio::test]
async fn a_handler_calls_on_through_its_context() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let builder = Ledger::node(stage).instance("l");
        let _ledger = mesh.start_node(builder).await.unwrap();
        let (front, backs) = with_backs(&mesh, &["b1"], &Stage::quiet()).await;
        backs[0].ready::<Ledger>(1).await.unwrap();
        let answer = front.client::<Back>().record("entry".into()).await;
        assert_eq!(answer.unwrap(), "l");
        let heard = hearing.next().await;
        assert_eq!(heard.text, "entry");
        assert_eq!(heard.caller.as_ref(), Some(backs[0].id()));
    })
    .await;
}
