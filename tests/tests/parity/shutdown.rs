//! How a node shuts down: with or without a grace period.

use std::{future::IntoFuture, time::Duration};

use mesh_runtime::{CallError, CloseCode, CloseReason, Event, Node, testing::TestMesh};
use mesh_tests::{Back, Front, Parity, Stage, event, within};

const LONG: Duration = Duration::from_secs(25);

async fn back(mesh: &TestMesh<Parity>, name: &str, stage: &Stage, grace: Duration) -> Node<Back> {
    let builder = Back::node(stage.clone()).instance(name).grace(grace);
    mesh.start_node(builder).await.unwrap()
}

async fn front(mesh: &TestMesh<Parity>, backs: usize) -> Node<Front> {
    let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
    front.ready::<Back>(backs).await.unwrap();
    front
}

/// Waits until the front has at most `backs` instances left to call.
async fn until_callable(front: &Node<Front>, backs: usize) {
    while front.client::<Back>().names().await.unwrap().len() > backs {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn calls_in_flight_are_answered_before_the_node_ends() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let stage = stage.behind_closed_gate();
        let back = back(&mesh, "b", &stage, LONG).await;
        let front = front(&mesh, 1).await;
        let client = front.client::<Back>();
        let call = tokio::spawn(client.wait("x".into()).timeout(LONG).into_future());
        hearing.next().await;
        let ending = tokio::spawn({
            let back = back.clone();
            async move { back.shutdown().await }
        });
        until_callable(&front, 0).await;
        assert!(!call.is_finished());
        assert!(!ending.is_finished());
        stage.open();
        assert_eq!(call.await.unwrap().unwrap(), "b");
        let report = ending.await.unwrap();
        assert_eq!((report.unfinished_calls, report.unfinished_jobs), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn while_an_instance_ends_calls_go_to_the_other() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let stage = stage.behind_closed_gate();
        let b1 = back(&mesh, "b1", &stage, LONG).await;
        let _b2 = back(&mesh, "b2", &Stage::quiet(), LONG).await;
        let front = front(&mesh, 2).await;
        let client = front.client::<Back>();
        let held = client.wait("x".into()).to("b1").timeout(LONG);
        let held = tokio::spawn(held.into_future());
        hearing.next().await;
        let ending = tokio::spawn(async move { b1.shutdown().await });
        // From the start of the shutdown no call may fail, whether the front already knows of it or the node itself
        // refuses the call.
        for _ in 0..50 {
            tokio::task::yield_now().await;
            client.name().await.unwrap();
        }
        until_callable(&front, 1).await;
        assert_eq!(client.name().await.unwrap(), "b2");
        let error = client.name().to("b1").await.unwrap_err();
        assert!(
            matches!(
                error,
                CallError::NoPeer { .. } | CallError::ShuttingDown { .. }
            ),
            "{error:?}"
        );
        stage.open();
        held.await.unwrap().unwrap();
        ending.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_node_that_ends_may_still_call_others_to_finish_its_work() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let builder = mesh_tests::Ledger::node(stage.clone()).instance("l");
        let _ledger = mesh.start_node(builder).await.unwrap();
        let gated = stage.behind_closed_gate();
        let back = back(&mesh, "b", &gated, LONG).await;
        let front = front(&mesh, 1).await;
        back.ready::<mesh_tests::Ledger>(1).await.unwrap();
        let client = front.client::<Back>();
        let held = tokio::spawn(client.wait("x".into()).timeout(LONG).into_future());
        hearing.next().await;
        let ending = tokio::spawn({
            let back = back.clone();
            async move { back.shutdown().await }
        });
        until_callable(&front, 0).await;
        let written = back.client::<mesh_tests::Ledger>().write("y".into()).await;
        assert_eq!(written.unwrap(), "l");
        gated.open();
        held.await.unwrap().unwrap();
        ending.await.unwrap();
        let error = back.client::<mesh_tests::Ledger>().write("z".into()).await;
        assert!(
            matches!(error, Err(CallError::ShuttingDown { .. })),
            "{error:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn what_outlasts_the_grace_is_reported() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let stage = stage.behind_closed_gate();
        let back = back(&mesh, "b", &stage, Duration::from_millis(100)).await;
        let front = front(&mesh, 1).await;
        let client = front.client::<Back>();
        let call = tokio::spawn(client.wait("x".into()).timeout(LONG).into_future());
        hearing.next().await;
        client.job("y".into()).await.unwrap();
        let report = back.shutdown().await;
        assert_eq!(report.unfinished_calls, 1);
        assert_eq!(report.unfinished_jobs, 1);
        let error = call.await.unwrap().unwrap_err();
        assert!(error.maybe_executed(), "{error:?}");
        assert_eq!(hearing.next().await.text, "dropped");
    })
    .await;
}

#[tokio::test]
async fn jobs_in_memory_run_before_the_node_ends() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let stage = stage.behind_closed_gate();
        let back = back(&mesh, "b", &stage, LONG).await;
        let front = front(&mesh, 1).await;
        // More than can run at once.
        for n in 0..40 {
            front.client::<Back>().job(n.to_string()).await.unwrap();
        }
        let ending = tokio::spawn(async move { back.shutdown().await });
        until_callable(&front, 0).await;
        assert_eq!(hearing.so_far(), []);
        stage.open();
        let report = ending.await.unwrap();
        assert_eq!((report.unfinished_calls, report.unfinished_jobs), (0, 0));
        assert_eq!(hearing.so_far().len(), 40);
    })
    .await;
}

#[tokio::test]
async fn a_second_shutdown_waits_for_the_first_and_reports_the_same() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = back(&mesh, "b", &Stage::quiet(), LONG).await;
        let (one, two) = tokio::join!(back.shutdown(), back.shutdown());
        assert_eq!(one, two);
        assert_eq!(back.shutdown().await, one);
    })
    .await;
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_node_without_a_grace() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let stage = stage.behind_closed_gate();
        let back = back(&mesh, "b", &stage, LONG).await;
        let front = front(&mesh, 1).await;
        let mut events = front.events();
        let client = front.client::<Back>();
        let call = tokio::spawn(client.wait("x".into()).timeout(LONG).into_future());
        hearing.next().await;

        let clone = back.clone();
        drop(back);
        assert_eq!(
            client.name().await.unwrap(),
            "b",
            "a clone keeps it running"
        );
        drop(clone);
        let disconnection = event(&mut events, |event| match event {
            Event::LinkDown { reason, .. } => Some(reason),
            _ => None,
        });
        assert_eq!(
            disconnection.await,
            CloseReason::Goodbye(CloseCode::ShuttingDown)
        );
        let error = call.await.unwrap().unwrap_err();
        assert!(
            matches!(
                error,
                CallError::LinkLost {
                    maybe_executed: true,
                    ..
                }
            ),
            "{error:?}"
        );
        assert_eq!(hearing.next().await.text, "dropped");
        assert!(front.links().is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_stubs_of_a_node_that_was_dropped_say_so() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let _back = back(&mesh, "b", &Stage::quiet(), LONG).await;
        let front = front(&mesh, 1).await;
        let id = front.id().clone();
        let client = front.client::<Back>();
        drop(front);
        let error = client.name().await.unwrap_err();
        assert!(
            matches!(&error, CallError::ShuttingDown { who } if *who == id),
            "{error:?}"
        );
    })
    .await;
}
