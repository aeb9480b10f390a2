//! Broadcasts: gathered or without replies, and their recipients.

use std::time::Duration;

use mesh_runtime::{InstanceId, Node, testing::TestMesh};
use mesh_tests::{Back, Front, Parity, Stage, within};

/// `b1` and `b2`, each with a handler of its own, and a `Front` that is linked to both.
async fn two(mesh: &TestMesh<Parity>, stages: [&Stage; 2]) -> (Node<Front>, [Node<Back>; 2]) {
    let back =
        |name: &str, stage: &Stage| mesh.start_node(Back::node(stage.clone()).instance(name));
    let backs = [
        back("b1", stages[0]).await.unwrap(),
        back("b2", stages[1]).await.unwrap(),
    ];
    let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
    front.ready::<Back>(2).await.unwrap();
    (front, backs)
}

fn sorted<'a>(answers: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut answers: Vec<_> = answers.map(String::as_str).collect();
    answers.sort_unstable();
    answers
}

const NOBODY: [InstanceId; 0] = [];

#[tokio::test]
async fn a_broadcast_with_answers_gathers_from_both() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let quiet = Stage::quiet();
        let (front, _backs) = two(&mesh, [&quiet, &quiet]).await;
        let names = front.client::<Back>().names().await.unwrap();
        assert_eq!(names.len(), 2);
        assert_eq!(sorted(names.values()), ["b1", "b2"]);
        for (instance, answer) in names.answers() {
            assert_eq!(instance.as_str(), answer);
        }
        assert_eq!(names.require_all().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_gather_with_only_has_one_answer() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let quiet = Stage::quiet();
        let (front, _backs) = two(&mesh, [&quiet, &quiet]).await;
        for name in ["b1", "b2"] {
            let names = front.client::<Back>().names().only([name]).await.unwrap();
            assert_eq!(names.len(), 1);
            assert_eq!(sorted(names.values()), [name]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_gather_with_except_has_all_but_one() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let quiet = Stage::quiet();
        let (front, _backs) = two(&mesh, [&quiet, &quiet]).await;
        for (left_out, stays) in [("b1", "b2"), ("b2", "b1")] {
            let call = front.client::<Back>().names().except([left_out]);
            let names = call.await.unwrap();
            assert_eq!(names.len(), 1);
            assert_eq!(sorted(names.values()), [stays]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_gather_with_an_empty_only_asks_nobody() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let quiet = Stage::quiet();
        let (front, _backs) = two(&mesh, [&quiet, &quiet]).await;
        let names = front.client::<Back>().names().only(NOBODY).await.unwrap();
        assert!(names.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_gather_without_any_instance_is_empty() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        let names = front.client::<Back>().names().await.unwrap();
        assert!(names.is_empty());
        assert!(names.require_all().unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn at_its_deadline_a_gather_has_what_came_and_the_rest_is_missing() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let quick = Stage::quiet();
        let stuck = quick.behind_closed_gate();
        let (front, _backs) = two(&mesh, [&quick, &stuck]).await;
        let call = front.client::<Back>().waits("x".into());
        let answers = call.timeout(Duration::from_secs(2)).await.unwrap();
        assert_eq!(answers.len(), 2);
        assert_eq!(sorted(answers.values()), ["b1"]);
        let missing: Vec<_> = answers.missing().map(InstanceId::as_str).collect();
        assert_eq!(missing, ["b2"]);
        assert_eq!(answers.errors().count(), 0);
        let incomplete = answers.require_all().unwrap_err();
        assert_eq!(incomplete.asked, 2);
        assert_eq!(incomplete.missing, ["b2"]);
    })
    .await;
}

#[tokio::test]
async fn a_gather_of_the_first_answer_ends_with_it_and_cancels_the_rest() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (quick, mut hearing) = Stage::new();
        let stuck = quick.behind_closed_gate();
        let (front, _backs) = two(&mesh, [&quick, &stuck]).await;
        let call = front.client::<Back>().waits("x".into()).first(1);
        let answers = call.timeout(Duration::from_secs(25)).await.unwrap();
        assert_eq!(sorted(answers.values()), ["b1"]);
        let missing: Vec<_> = answers.missing().map(InstanceId::as_str).collect();
        assert_eq!(missing, ["b2"]);
        let heard = hearing.next_sorted(3).await;
        let expected = [("b1", "x"), ("b2", "dropped"), ("b2", "x")];
        assert_eq!(heard, expected.map(|(id, text)| (id.into(), text.into())));
    })
    .await;
}

#[tokio::test]
async fn a_broadcast_without_an_answer_is_handed_to_both_and_does_not_wait() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, _backs) = two(&mesh, [&stage, &stage]).await;
        let sent = front.client::<Back>().hint("x".into()).await.unwrap();
        assert_eq!(sent.to, ["b1", "b2"]);
        assert!(sent.failed.is_empty());
        let expected = [("b1", "x"), ("b2", "x")];
        let heard = hearing.next_sorted(2).await;
        assert_eq!(heard, expected.map(|(id, text)| (id.into(), text.into())));
    })
    .await;
}

#[tokio::test]
async fn a_broadcast_without_an_answer_goes_only_to_those_meant() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, _backs) = two(&mesh, [&stage, &stage]).await;
        let client = front.client::<Back>();
        let sent = client.hint("only".into()).only(["b2"]).await.unwrap();
        assert_eq!(sent.to, ["b2"]);
        let sent = client.hint("except".into()).except(["b2"]).await.unwrap();
        assert_eq!(sent.to, ["b1"]);
        let sent = client.hint("nobody".into()).only(NOBODY).await.unwrap();
        assert!(sent.to.is_empty());
        // Both reply only after everything that was sent before has arrived.
        client.names().await.unwrap();
        let heard = hearing.next_sorted(2).await;
        let expected = [("b1", "except"), ("b2", "only")];
        assert_eq!(heard, expected.map(|(id, text)| (id.into(), text.into())));
        assert_eq!(hearing.so_far(), []);
    })
    .await;
}
