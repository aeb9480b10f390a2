//! How long a call may take, and what happens to its handler.

use std::{future::IntoFuture, time::Duration};

use mesh_runtime::{CallError, Node, testing::TestMesh};
use mesh_tests::{Back, Front, Hearing, Ledger, Parity, Stage, within};

/// A `Back` behind a closed gate, and a `Front` that is linked to it.
async fn stuck(mesh: &TestMesh<Parity>) -> (Node<Front>, Node<Back>, Stage, Hearing) {
    let (stage, hearing) = Stage::new();
    let stage = stage.behind_closed_gate();
    let builder = Back::node(stage.clone()).instance("b");
    let back = mesh.start_node(builder).await.unwrap();
    let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
    front.ready::<Back>(1).await.unwrap();
    (front, back, stage, hearing)
}

fn assert_late(error: &CallError, deadline: Duration) {
    assert!(
        matches!(
            error,
            CallError::DeadlineExceeded { command, peer: Some(peer), after, maybe_executed: true }
                if command.node_type == "Back" && peer.instance == "b" && *after == deadline
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_call_without_an_answer_ends_after_three_seconds() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, _back, ..) = stuck(&mesh).await;
        let error = front.client::<Back>().wait("x".into()).await.unwrap_err();
        assert_late(&error, Duration::from_secs(3));
        assert!(error.maybe_executed());
    })
    .await;
}

#[tokio::test]
async fn the_deadline_of_the_schema_counts_where_the_call_gives_none() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, _back, ..) = stuck(&mesh).await;
        let error = front.client::<Back>().hurry("x".into()).await.unwrap_err();
        assert_late(&error, Duration::from_millis(200));
    })
    .await;
}

#[tokio::test]
async fn the_deadline_of_the_call_comes_before_that_of_the_schema() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, _back, ..) = stuck(&mesh).await;
        let call = front.client::<Back>().hurry("x".into());
        let error = call.timeout(Duration::from_millis(300)).await.unwrap_err();
        assert_late(&error, Duration::from_millis(300));
    })
    .await;
}

#[tokio::test]
async fn at_the_deadline_the_handler_is_dropped_and_the_link_goes_on() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, _back, _stage, mut hearing) = stuck(&mesh).await;
        let client = front.client::<Back>();
        client.hurry("x".into()).await.unwrap_err();
        assert_eq!(hearing.next().await.text, "x");
        assert_eq!(hearing.next().await.text, "dropped");
        assert_eq!(client.name().await.unwrap(), "b");
        assert_eq!(front.links()[0].in_flight, 0);
    })
    .await;
}

#[tokio::test]
async fn dropping_the_future_of_a_call_cancels_its_handler() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, _back, _stage, mut hearing) = stuck(&mesh).await;
        let client = front.client::<Back>();
        {
            let call = client.wait("x".into()).timeout(Duration::from_secs(60));
            tokio::select! {
                answer = call.into_future() => panic!("answered: {answer:?}"),
                heard = hearing.next() => assert_eq!(heard.text, "x"),
            }
        }
        assert_eq!(hearing.next().await.text, "dropped");
        assert_eq!(client.name().await.unwrap(), "b");
    })
    .await;
}

#[tokio::test]
async fn a_handler_knows_how_much_time_is_left() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, _back, stage, mut hearing) = stuck(&mesh).await;
        stage.open();
        let call = front.client::<Back>().wait("x".into());
        call.timeout(Duration::from_secs(25)).await.unwrap();
        let remaining = hearing.next().await.remaining.unwrap();
        assert!(remaining <= Duration::from_secs(25), "{remaining:?}");
        assert!(!remaining.is_zero());
        front.client::<Back>().hint("x".into()).await.unwrap();
        assert_eq!(hearing.next().await.remaining, None, "nobody waits for it");
    })
    .await;
}

#[tokio::test]
async fn a_call_made_in_a_handler_inherits_the_deadline() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let _ledger = mesh.start_node(Ledger::node(stage)).await.unwrap();
        let (front, back, ..) = stuck(&mesh).await;
        back.ready::<Ledger>(1).await.unwrap();
        // The handler of `record` asks for a minute.
        let call = front.client::<Back>().record("x".into());
        call.timeout(Duration::from_secs(20)).await.unwrap();
        let remaining = hearing.next().await.remaining.unwrap();
        assert!(remaining <= Duration::from_secs(20), "{remaining:?}");
    })
    .await;
}

#[tokio::test]
async fn cancelling_a_call_cancels_the_calls_of_its_handler() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let builder = Ledger::node(stage.behind_closed_gate());
        let _ledger = mesh.start_node(builder).await.unwrap();
        let (front, back, ..) = stuck(&mesh).await;
        back.ready::<Ledger>(1).await.unwrap();
        {
            let call = front.client::<Back>().record("x".into());
            tokio::select! {
                answer = call.timeout(Duration::from_secs(60)).into_future() => {
                    panic!("answered: {answer:?}")
                }
                heard = hearing.next() => assert_eq!(heard.text, "x"),
            }
        }
        assert_eq!(hearing.next().await.text, "dropped");
    })
    .await;
}
