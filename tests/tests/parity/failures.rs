//! Failures on the callee's side: what the caller is told, and when a call is tried elsewhere.

use std::{collections::BTreeMap, future::IntoFuture, time::Duration};

use mesh_runtime::{CallError, Node, RetryBudget, testing::TestMesh};
use mesh_tests::{Back, Front, Hearing, Parity, Stage, within};

const LONG: Duration = Duration::from_secs(60);

/// Instances of `Back`, each behind a closed gate of its own, with the gates, and a `Front` that is linked to all of
/// them.
struct Scene {
    front: Node<Front>,
    backs: BTreeMap<String, (Node<Back>, Stage)>,
    stage: Stage,
    /// The number of calls that each link has room for.
    calls: u32,
    hearing: Hearing,
    mesh: TestMesh<Parity>,
}

impl Scene {
    /// `calls` is the number of calls that each link has room for.
    async fn set(names: &[&str], calls: u32) -> Self {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, hearing) = Stage::new();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        let mut scene = Self {
            front,
            backs: BTreeMap::new(),
            stage,
            calls,
            hearing,
            mesh,
        };
        for name in names {
            scene.add(name).await;
        }
        scene.front.ready::<Back>(names.len()).await.unwrap();
        scene
    }

    /// Starts another instance, behind a closed gate.
    async fn add(&mut self, name: &str) {
        let stage = self.stage.behind_closed_gate();
        let builder = Back::node(stage.clone())
            .instance(name)
            .budget(self.calls, 1 << 20);
        let back = self.mesh.start_node(builder).await.unwrap();
        self.backs.insert(name.to_owned(), (back, stage));
    }
}

/// The link to that instance was lost, and the call may have run there.
fn assert_lost(error: &CallError, instance: &str) {
    assert!(
        matches!(error, CallError::LinkLost { peer, maybe_executed: true, .. }
            if peer.instance.as_str() == instance),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_panic_in_a_handler_is_an_error_for_its_caller_and_the_node_goes_on() {
    within(async {
        let scene = Scene::set(&["b"], 100).await;
        let client = scene.front.client::<Back>();
        let error = client.fall("as the test wants".into()).await.unwrap_err();
        assert!(
            matches!(&error, CallError::HandlerPanicked { peer, message }
                if peer == scene.backs["b"].0.id() && message == "as the test wants"),
            "{error:?}"
        );
        assert!(error.maybe_executed());
        assert_eq!(client.name().await.unwrap(), "b");
        assert_eq!(scene.front.links().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_link_without_room_for_another_call_is_overloaded() {
    within(async {
        let mut scene = Scene::set(&["b"], 1).await;
        let client = scene.front.client::<Back>();
        let first = tokio::spawn(client.wait("x".into()).timeout(LONG).into_future());
        scene.hearing.next().await;
        assert_eq!(scene.front.links()[0].in_flight, 1);
        let error = client.name().await.unwrap_err();
        assert!(
            matches!(
                error,
                CallError::Overloaded {
                    maybe_executed: false,
                    ..
                }
            ),
            "{error:?}"
        );
        scene.backs["b"].1.open();
        assert_eq!(first.await.unwrap().unwrap(), "b");
        assert_eq!(client.name().await.unwrap(), "b", "there is room again");
    })
    .await;
}

#[tokio::test]
async fn a_call_for_which_one_link_has_no_room_goes_to_the_next() {
    within(async {
        let mut scene = Scene::set(&["b1", "b2"], 1).await;
        let client = scene.front.client::<Back>();
        let first = tokio::spawn(client.wait("x".into()).timeout(LONG).into_future());
        let busy = scene.hearing.next().await.instance.to_string();
        let free = if busy == "b1" { "b2" } else { "b1" };
        for _ in 0..4 {
            assert_eq!(client.name().await.unwrap(), free);
        }
        scene.backs[&busy].1.open();
        assert_eq!(first.await.unwrap().unwrap(), busy);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_may_have_run_is_not_tried_again() {
    within(async {
        let mut scene = Scene::set(&["b1", "b2"], 100).await;
        let client = scene.front.client::<Back>();
        let call = tokio::spawn(client.wait("x".into()).timeout(LONG).into_future());
        let asked = scene.hearing.next().await.instance.to_string();
        drop(scene.backs.remove(&asked));
        let error = call.await.unwrap().unwrap_err();
        assert_lost(&error, &asked);
        // A second attempt would have reached the other instance before this call returns.
        client.name().await.unwrap();
        let texts: Vec<_> = scene.hearing.so_far().into_iter().map(|h| h.text).collect();
        assert!(!texts.contains(&"x".to_owned()), "{texts:?}");
    })
    .await;
}

#[tokio::test]
async fn an_idempotent_call_is_tried_again_after_its_link_was_lost() {
    within(async {
        let mut scene = Scene::set(&["b1", "b2"], 100).await;
        let client = scene.front.client::<Back>();
        let call = tokio::spawn(client.wait_again("x".into()).timeout(LONG).into_future());
        let asked = scene.hearing.next().await.instance.to_string();
        drop(scene.backs.remove(&asked));
        let other = scene.backs.keys().next().unwrap().clone();
        loop {
            let heard = scene.hearing.next().await;
            if heard.text == "x" {
                assert_eq!(heard.instance, other.as_str());
                break;
            }
        }
        scene.backs[&other].1.open();
        assert_eq!(call.await.unwrap().unwrap(), other);
    })
    .await;
}

#[tokio::test]
async fn without_a_retry_budget_an_idempotent_call_that_may_have_run_is_not_tried_again() {
    within(async {
        let mut scene = Scene::set(&["b1", "b2"], 100).await;
        let builder = Front::node(Stage::quiet()).retry_budget(RetryBudget::new(0, 0));
        let front = scene.mesh.start_node(builder).await.unwrap();
        front.ready::<Back>(2).await.unwrap();
        let client = front.client::<Back>();
        let call = tokio::spawn(client.wait_again("x".into()).timeout(LONG).into_future());
        let asked = scene.hearing.next().await.instance.to_string();
        drop(scene.backs.remove(&asked));
        let error = call.await.unwrap().unwrap_err();
        // The first error.
        assert_lost(&error, &asked);
    })
    .await;
}

#[tokio::test]
async fn fail_over_of_what_did_not_run_spends_nothing_even_after_a_retry() {
    // One of the others has no room, whichever is tried first.
    for busy in 0..2 {
        within(async {
            let mut scene = Scene::set(&["b1", "b2", "b3"], 1).await;
            // Of the two calls that are made, one may be tried again.
            let builder = Front::node(Stage::quiet()).retry_budget(RetryBudget::new(60, 0));
            let front = scene.mesh.start_node(builder).await.unwrap();
            front.ready::<Back>(3).await.unwrap();
            let client = front.client::<Back>();
            let call = tokio::spawn(client.wait_again("x".into()).timeout(LONG).into_future());
            let asked = scene.hearing.next().await.instance.to_string();
            let others = scene.backs.keys().filter(|name| **name != asked).cloned();
            let others: Vec<_> = others.collect();
            let (busy, free) = (&others[busy], &others[1 - busy]);
            let busy = client.wait("y".into()).to(busy.as_str()).timeout(LONG);
            let busy = tokio::spawn(busy.into_future());
            scene.hearing.next().await;
            scene.backs[free].1.open();
            drop(scene.backs.remove(&asked));
            assert_eq!(call.await.unwrap().unwrap(), *free);
            busy.abort();
        })
        .await;
    }
}

#[tokio::test]
async fn a_retry_for_which_there_is_no_other_instance_spends_nothing() {
    within(async {
        let mut scene = Scene::set(&["b1"], 100).await;
        // Ten retries.
        let builder = Front::node(Stage::quiet()).retry_budget(RetryBudget::new(0, 1));
        let front = scene.mesh.start_node(builder).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        let client = front.client::<Back>();
        let wait_again = || tokio::spawn(client.wait_again("x".into()).timeout(LONG).into_future());
        let alone: Vec<_> = (0..20).map(|_| wait_again()).collect();
        for _ in &alone {
            scene.hearing.next().await;
        }
        drop(scene.backs.remove("b1"));
        for call in alone {
            assert_lost(&call.await.unwrap().unwrap_err(), "b1");
        }
        scene.add("b2").await;
        front.ready::<Back>(1).await.unwrap();
        let calls: Vec<_> = (0..5).map(|_| wait_again()).collect();
        for _ in &calls {
            scene.hearing.next().await;
        }
        scene.add("b3").await;
        scene.backs["b3"].1.open();
        front.ready::<Back>(2).await.unwrap();
        drop(scene.backs.remove("b2"));
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "b3");
        }
    })
    .await;
}

#[tokio::test]
async fn an_error_after_an_attempt_that_may_have_run_says_so_whatever_the_last_attempt_met() {
    within(async {
        let mut scene = Scene::set(&["b1", "b2"], 1).await;
        let client = scene.front.client::<Back>();
        let call = tokio::spawn(client.wait_again("x".into()).timeout(LONG).into_future());
        let asked = scene.hearing.next().await.instance.to_string();
        let other = if asked == "b1" { "b2" } else { "b1" };
        // The second attempt finds no room.
        let busy = client.wait("y".into()).to(other).timeout(LONG);
        let busy = tokio::spawn(busy.into_future());
        scene.hearing.next().await;
        drop(scene.backs.remove(&asked));
        let error = call.await.unwrap().unwrap_err();
        assert!(error.maybe_executed(), "{error:?}");
        scene.backs[other].1.open();
        assert_eq!(busy.await.unwrap().unwrap(), other);
    })
    .await;
}

#[tokio::test]
async fn an_idempotent_call_has_no_second_attempt_where_there_is_no_other_instance() {
    within(async {
        let mut scene = Scene::set(&["b"], 100).await;
        let client = scene.front.client::<Back>();
        let call = tokio::spawn(client.wait_again("x".into()).timeout(LONG).into_future());
        scene.hearing.next().await;
        drop(scene.backs.remove("b"));
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
    })
    .await;
}

#[tokio::test]
async fn a_gather_tells_which_instance_was_lost() {
    within(async {
        let mut scene = Scene::set(&["b1", "b2"], 100).await;
        let client = scene.front.client::<Back>();
        let call = tokio::spawn(client.waits("x".into()).timeout(LONG).into_future());
        scene.hearing.next().await;
        scene.hearing.next().await;
        drop(scene.backs.remove("b1"));
        scene.backs["b2"].1.open();
        let gather = call.await.unwrap().unwrap();
        assert_eq!(gather.values().collect::<Vec<_>>(), ["b2"]);
        let errors: Vec<_> = gather.errors().collect();
        assert_eq!(errors.len(), 1);
        assert_eq!(*errors[0].0, "b1");
        assert!(
            matches!(errors[0].1, CallError::LinkLost { .. }),
            "{errors:?}"
        );
    })
    .await;
}
