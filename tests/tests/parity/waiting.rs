//! Calls for which too few instances are linked: those that fail at once, and those that wait.

use std::{future::IntoFuture, time::Duration};

use mesh_runtime::{CallError, Context, JobError, Node, mesh_schema, testing::TestMesh};
use mesh_tests::within;
use tokio::sync::mpsc;

mesh_schema! {
    mesh Waiting;
    node Caller { connect: [Callee]; balanced fn look() -> Vec<String>; allow: [Asker]; }
    node Asker { connect: [Caller]; }
    node Callee {
        allow: [Caller];

        balanced fn name() -> String;
        broadcast fn names() -> String;
        broadcast fn knock(by: String);
        queued balanced fn job();
        queued broadcast fn jobs();
    }
}

struct Named(mpsc::UnboundedSender<String>);

impl CalleeHandler for Named {
    async fn name(&self, cx: Context<Callee>) -> String {
        cx.instance().to_string()
    }

    async fn names(&self, cx: Context<Callee>) -> String {
        cx.instance().to_string()
    }

    async fn knock(&self, cx: Context<Callee>, by: String) {
        self.0.send(format!("{by} at {}", cx.instance())).unwrap();
    }

    async fn job(&self, _: Context<Callee>) -> Result<(), JobError> {
        Ok(())
    }

    async fn jobs(&self, _: Context<Callee>) -> Result<(), JobError> {
        Ok(())
    }
}

struct Looks;

impl CallerHandler for Looks {
    /// Waits for two instances, and tells which are linked.
    async fn look(&self, cx: Context<Caller>) -> Vec<String> {
        cx.ready::<Callee>(2).await.unwrap();
        let links = cx.links().into_iter();
        links.map(|link| link.id.to_string()).collect()
    }
}

struct Scene {
    mesh: TestMesh<Waiting>,
    caller: Node<Caller>,
    callees: Vec<Node<Callee>>,
    knocks: mpsc::UnboundedReceiver<String>,
    knocked: mpsc::UnboundedSender<String>,
}

impl Scene {
    async fn set() -> Self {
        let mesh = TestMesh::start().await.unwrap();
        let caller = mesh.start_node(Caller::node(Looks)).await.unwrap();
        let (knocked, knocks) = mpsc::unbounded_channel();
        Self {
            mesh,
            caller,
            callees: Vec::new(),
            knocks,
            knocked,
        }
    }

    async fn add(&mut self, name: &str) {
        let callee = Callee::node(Named(self.knocked.clone())).instance(name);
        let callee = self.mesh.start_node(callee).await.unwrap();
        self.callees.push(callee);
    }

    fn client(&self) -> CalleeClient<Caller> {
        self.caller.client::<Callee>()
    }
}

/// Polls a call once: it waits.
macro_rules! begun {
    ($call:expr) => {{
        let mut call = $call.into_future();
        assert!(futures_util::poll!(&mut call).is_pending());
        call
    }};
}

fn assert_nobody(error: &CallError) {
    assert!(matches!(error, CallError::NoPeer { .. }), "{error:?}");
    assert!(!error.maybe_executed());
}

#[tokio::test]
async fn calls_that_wait_are_made_once_an_instance_is_linked() {
    within(async {
        let mut scene = Scene::set().await;
        let client = scene.client();
        assert_nobody(&client.name().await.unwrap_err());
        let name = begun!(client.name().wait_for_peer());
        let job = begun!(client.job().wait_for_peer());
        let to = begun!(client.name().to("c2").wait_for_peer());
        let names = begun!(client.names().wait_for_peer());
        let two = begun!(client.names().at_least(2).wait_for_peer());
        let jobs = begun!(client.jobs().at_least(2).wait_for_peer());
        let knock = begun!(client.knock("me".into()).to("c2").wait_for_peer());
        scene.add("c1").await;
        assert_eq!(name.await.unwrap(), "c1");
        assert_eq!(job.await.unwrap().instance, "c1");
        assert_eq!(names.await.unwrap().require_all().unwrap(), ["c1"]);
        scene.add("c2").await;
        assert_eq!(to.await.unwrap(), "c2");
        assert_eq!(two.await.unwrap().require_all().unwrap(), ["c1", "c2"]);
        assert_eq!(jobs.await.unwrap().values().count(), 2);
        assert_eq!(knock.await.unwrap().to, ["c2"]);
        assert_eq!(scene.knocks.recv().await.unwrap(), "me at c2");
    })
    .await;
}

#[tokio::test]
async fn a_call_waits_until_its_deadline_and_no_longer_than_its_node_runs() {
    within(async {
        let scene = Scene::set().await;
        let client = scene.client();
        let short = Duration::from_millis(50);
        assert_nobody(
            &client
                .name()
                .wait_for_peer()
                .timeout(short)
                .await
                .unwrap_err(),
        );
        assert_nobody(
            &client
                .names()
                .wait_for_peer()
                .timeout(short)
                .await
                .unwrap_err(),
        );
        let long = Duration::from_secs(60);
        let name = begun!(client.name().wait_for_peer().timeout(long));
        let names = begun!(client.names().wait_for_peer().timeout(long));
        drop(scene.caller);
        for error in [name.await.unwrap_err(), names.await.unwrap_err()] {
            assert!(matches!(error, CallError::ShuttingDown { .. }), "{error:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_waits_while_its_only_instance_restarts() {
    within(async {
        let mut scene = Scene::set().await;
        scene.add("c1").await;
        let client = scene.client();
        scene.caller.ready::<Callee>(1).await.unwrap();
        let old = scene.callees.remove(0);
        // Calls that begin before, during and after the shutdown.
        let calls: Vec<_> = (0..100)
            .map(|_| tokio::spawn(client.name().wait_for_peer().into_future()))
            .collect();
        let shutdown = tokio::spawn(async move { old.shutdown().await });
        let more: Vec<_> = (0..100)
            .map(|_| tokio::spawn(client.name().wait_for_peer().into_future()))
            .collect();
        shutdown.await.unwrap();
        let late = begun!(client.name().wait_for_peer());
        scene.add("c2").await;
        for call in calls.into_iter().chain(more) {
            let answer = call.await.unwrap().unwrap();
            assert!(["c1", "c2"].contains(&&answer[..]), "{answer}");
        }
        assert_eq!(late.await.unwrap(), "c2");
    })
    .await;
}

#[tokio::test]
async fn the_error_of_a_call_to_one_instance_names_it() {
    within(async {
        let mut scene = Scene::set().await;
        scene.add("c1").await;
        scene.caller.ready::<Callee>(1).await.unwrap();
        let client = scene.client();
        let error = client.knock("me".into()).to("c2").await.unwrap_err();
        assert!(
            matches!(&error, CallError::NoPeer { instance: Some(instance), .. } if instance == "c2"),
            "{error:?}"
        );
        // Another one is linked.
        let error = client.names().only(["c2"]).at_least(1).await.unwrap_err();
        assert!(
            matches!(error, CallError::TooFewPeers { linked: 0, wanted: 1, .. }),
            "{error:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn with_fewer_instances_than_are_wanted_nothing_is_sent() {
    within(async {
        let mut scene = Scene::set().await;
        let client = scene.client();
        assert!(client.names().await.unwrap().is_empty());
        assert_nobody(&client.names().at_least(1).await.unwrap_err());
        assert_nobody(&client.knock("me".into()).to("c1").await.unwrap_err());
        scene.add("c1").await;
        scene.caller.ready::<Callee>(1).await.unwrap();
        assert_eq!(client.names().at_least(1).await.unwrap().len(), 1);
        for error in [
            client.names().at_least(2).await.unwrap_err(),
            client.knock("me".into()).at_least(2).await.unwrap_err(),
            client.jobs().at_least(2).await.unwrap_err(),
        ] {
            assert!(
                matches!(
                    error,
                    CallError::TooFewPeers {
                        linked: 1,
                        wanted: 2,
                        ..
                    }
                ),
                "{error:?}"
            );
            assert!(!error.maybe_executed());
        }
        client.knock("you".into()).to("c1").await.unwrap();
        assert_eq!(scene.knocks.recv().await.unwrap(), "you at c1");
    })
    .await;
}

#[tokio::test]
async fn a_handler_waits_for_instances_and_sees_its_links() {
    within(async {
        let mut scene = Scene::set().await;
        let asker = scene
            .mesh
            .start_node(Asker::node().instance("a"))
            .await
            .unwrap();
        asker.ready::<Caller>(1).await.unwrap();
        let looking = begun!(asker.client::<Caller>().look());
        scene.add("c1").await;
        scene.add("c2").await;
        assert_eq!(
            looking.await.unwrap(),
            ["Asker/a", "Callee/c1", "Callee/c2"]
        );
    })
    .await;
}
