//! Two versions of one schema in one mesh.

use std::time::Duration;

use mesh_runtime::{
    CallError, Context, Hook, Node, NodeBuilder, NodeType, Outcome, hook::CallEnd,
    testing::TestMesh,
};
use mesh_tests::{start_at, within};
use tokio::sync::mpsc;

mod old {
    use mesh_runtime::mesh_schema;
    use serde::{Deserialize, Serialize};

    /// A transfer in the old version.
    #[derive(Serialize, Deserialize)]
    pub(crate) struct Transfer {
        /// The payer.
        pub from: u64,
        /// The payee.
        pub to: u64,
    }

    mesh_schema! {
        /// The mesh in the old version.
        pub mesh Evolving;

        /// Calls.
        node Caller {
            allow: [];
            connect: [Callee];
        }

        /// Is called.
        node Callee {
            allow: [Caller];
            connect: [];

            /// The same in both versions.
            balanced fn same() -> String;

            /// Has a different meaning in the new version.
            balanced fn changed(n: u32) -> String;

            /// Has a different meaning in the new version, on each instance.
            broadcast fn changed_everywhere() -> u32;

            /// Written the same in both versions, but different: the type of the transfer has changed.
            balanced fn transfer(what: Transfer) -> String;

            /// The same for the return value, on each instance, nested in another type.
            broadcast fn transfers() -> Vec<Option<Transfer>>;

            /// Removed in the new version.
            balanced fn gone() -> String;
        }
    }
}

mod new {
    use mesh_runtime::mesh_schema;
    use serde::{Deserialize, Serialize};

    /// A transfer with its fields in the reverse order.
    #[derive(Serialize, Deserialize)]
    pub(crate) struct Transfer {
        /// The payee.
        pub to: u64,
        /// The payer.
        pub from: u64,
    }

    mesh_schema! {
        /// The mesh in the new version.
        pub mesh Evolving;

        /// Calls.
        node Caller {
            allow: [];
            connect: [Callee];
        }

        /// Is called.
        node Callee {
            allow: [Caller];
            connect: [];

            /// The same in both versions.
            balanced fn same() -> String;

            /// Has a different meaning than in the old version.
            #[version = 2]
            balanced fn changed(n: u32) -> String;

            /// Has a different meaning than in the old version, on each instance.
            #[version = 2]
            broadcast fn changed_everywhere() -> u32;

            /// Written the same in both versions, but different: the type of the transfer has changed.
            balanced fn transfer(what: Transfer) -> String;

            /// The same for the return value, on each instance, nested in another type.
            broadcast fn transfers() -> Vec<Option<Transfer>>;
        }
    }
}

struct Old;

impl old::CalleeHandler for Old {
    async fn same(&self, _cx: Context<old::Callee>) -> String {
        "old".into()
    }

    async fn changed(&self, _cx: Context<old::Callee>, _n: u32) -> String {
        "old".into()
    }

    async fn changed_everywhere(&self, _cx: Context<old::Callee>) -> u32 {
        1
    }

    async fn transfer(&self, _cx: Context<old::Callee>, what: old::Transfer) -> String {
        format!("from {} to {}", what.from, what.to)
    }

    async fn transfers(&self, _cx: Context<old::Callee>) -> Vec<Option<old::Transfer>> {
        vec![Some(old::Transfer { from: 1, to: 2 })]
    }

    async fn gone(&self, _cx: Context<old::Callee>) -> String {
        "old".into()
    }
}

struct New;

impl new::CalleeHandler for New {
    async fn same(&self, _cx: Context<new::Callee>) -> String {
        "new".into()
    }

    async fn changed(&self, _cx: Context<new::Callee>, _n: u32) -> String {
        "new".into()
    }

    async fn changed_everywhere(&self, _cx: Context<new::Callee>) -> u32 {
        2
    }

    async fn transfer(&self, _cx: Context<new::Callee>, what: new::Transfer) -> String {
        format!("from {} to {}", what.from, what.to)
    }

    async fn transfers(&self, _cx: Context<new::Callee>) -> Vec<Option<new::Transfer>> {
        vec![Some(new::Transfer { from: 1, to: 2 })]
    }
}

/// Starts a node of the old version in a mesh of the new one.
async fn join<N: NodeType>(mesh: &TestMesh<new::Evolving>, builder: NodeBuilder<N>) -> Node<N> {
    start_at(builder, mesh.keys(), mesh.master().addr()).await
}

#[tokio::test]
async fn a_command_that_changed_is_incompatible_and_the_others_work() {
    within(async {
        // Masters are updated first.
        let mesh = TestMesh::<new::Evolving>::start().await.unwrap();
        let _callee = mesh.start_node(new::Callee::node(New)).await.unwrap();
        let caller = join(&mesh, old::Caller::node()).await;
        caller.ready::<old::Callee>(1).await.unwrap();
        let client = caller.client::<old::Callee>();

        assert_eq!(client.same().await.unwrap(), "new");
        for error in [
            client.changed(1).await.unwrap_err(),
            client.gone().await.unwrap_err(),
        ] {
            assert!(matches!(error, CallError::Incompatible { .. }), "{error:?}");
            assert!(!error.maybe_executed());
        }
        let gather = client.changed_everywhere().await.unwrap();
        let outcomes: Vec<_> = gather.into_iter().map(|(_, outcome)| outcome).collect();
        assert!(
            matches!(
                &outcomes[..],
                [Outcome::Failed(CallError::Incompatible { .. })]
            ),
            "{outcomes:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn while_instances_are_updated_calls_go_to_those_that_mean_the_same() {
    within(async {
        let mesh = TestMesh::<new::Evolving>::start().await.unwrap();
        let _new = mesh.start_node(new::Callee::node(New)).await.unwrap();
        let _old = join(&mesh, old::Callee::node(Old)).await;
        let caller = mesh.start_node(new::Caller::node()).await.unwrap();
        caller.ready::<new::Callee>(2).await.unwrap();
        let client = caller.client::<new::Callee>();
        for _ in 0..4 {
            assert_eq!(client.changed(1).await.unwrap(), "new");
        }
        let mut same = [client.same().await.unwrap(), client.same().await.unwrap()];
        same.sort();
        assert_eq!(same, ["new", "old"]);
        let gather = client.changed_everywhere().await.unwrap();
        assert_eq!(gather.values().collect::<Vec<_>>(), [&2]);
        assert_eq!(gather.errors().count(), 1);
    })
    .await;
}

/// Reports whom the last attempt of a call went to, how many attempts there were, and how many failed.
struct Attempts(mpsc::UnboundedSender<(Option<String>, u32, u32)>);

impl Hook for Attempts {
    fn after_call(&self, call: &CallEnd<'_>) {
        let peer = call.peer.map(|peer| peer.instance.to_string());
        let told = (peer, call.attempts, call.failed_attempts);
        self.0.send(told).unwrap();
    }
}

#[tokio::test]
async fn an_attempt_at_a_command_that_changed_is_told_to_hooks() {
    within(async {
        let mesh = TestMesh::<new::Evolving>::start().await.unwrap();
        let callee = new::Callee::node(New).instance("c");
        let _callee = mesh.start_node(callee).await.unwrap();
        let (told, mut attempts) = mpsc::unbounded_channel();
        let caller = join(&mesh, old::Caller::node().hook(Attempts(told))).await;
        caller.ready::<old::Callee>(1).await.unwrap();
        let gather = caller.client::<old::Callee>().changed_everywhere().await;
        assert_eq!(gather.unwrap().errors().count(), 1);
        let told = attempts.recv().await.unwrap();
        assert_eq!(told, (Some("c".to_owned()), 1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_struct_with_its_fields_in_another_order_never_swaps_values() {
    within(async {
        let mesh = TestMesh::<new::Evolving>::start().await.unwrap();
        let new = mesh.start_node(new::Callee::node(New)).await.unwrap();
        let caller = join(&mesh, old::Caller::node()).await;
        caller.ready::<old::Callee>(1).await.unwrap();
        let client = caller.client::<old::Callee>();
        let transfer = || old::Transfer { from: 1, to: 2 };

        let answer = client.transfer(transfer()).await;
        let error = answer.expect_err("the two mean different things by the same bytes");
        assert!(matches!(error, CallError::Incompatible { .. }), "{error:?}");
        assert!(!error.maybe_executed());
        let gather = client.transfers().await.unwrap();
        assert_eq!(gather.values().count(), 0);
        assert!(
            gather
                .errors()
                .all(|(_, error)| matches!(error, CallError::Incompatible { .. }))
        );
        // The other commands of the same node still work.
        assert_eq!(client.same().await.unwrap(), "new");

        // With a compatible instance in the mesh, calls go to that one and succeed.
        let old = join(&mesh, old::Callee::node(Old)).await;
        caller.ready::<old::Callee>(2).await.unwrap();
        for _ in 0..4 {
            assert_eq!(client.transfer(transfer()).await.unwrap(), "from 1 to 2");
        }
        let gather = client.transfers().await.unwrap();
        let transfers: Vec<_> = gather.values().flatten().flatten().collect();
        assert!(matches!(transfers[..], [old::Transfer { from: 1, to: 2 }]));
        drop((old, new));
    })
    .await;
}

mod stripped {
    mesh_runtime::mesh_schema! {
        /// The mesh in a version in which the callee serves nothing that the others call.
        pub mesh Evolving;

        /// Calls.
        node Caller {
            allow: [];
            connect: [Callee];
        }

        /// Is called.
        node Callee {
            allow: [Caller];
            connect: [];

            /// Only in this version.
            balanced fn other() -> String;
        }
    }

    impl CalleeHandler for super::Old {
        async fn other(&self, _cx: mesh_runtime::Context<Callee>) -> String {
            "other".into()
        }
    }
}

#[tokio::test]
async fn an_instance_that_serves_none_of_the_calls_does_not_count_as_ready() {
    within(async {
        let mesh = TestMesh::<new::Evolving>::start().await.unwrap();
        let stripped = join(&mesh, stripped::Callee::node(Old)).await;
        let caller = join(&mesh, old::Caller::node()).await;
        let mut events = caller.events();
        while caller.links().is_empty() {
            events.next().await.unwrap();
        }
        assert_eq!(caller.links()[0].id, *stripped.id());

        let ready = caller
            .ready::<old::Callee>(1)
            .timeout(Duration::from_millis(50));
        let error = ready.await.unwrap_err();
        assert_eq!((error.linked, error.incompatible), (0, 1));
        let text = error.to_string();
        assert!(text.contains("1 more can serve none"), "{text}");

        // One that serves some of them counts.
        let _new = mesh.start_node(new::Callee::node(New)).await.unwrap();
        caller.ready::<old::Callee>(1).await.unwrap();
    })
    .await;
}

#[test]
fn a_fingerprint_on_the_wire_has_the_declaration_and_the_shapes_in_it() {
    let commands = |schema: &'static mesh_runtime::schema::Schema| {
        schema.node("Callee").expect("it is declared").commands
    };
    for old in commands(old::Evolving::SCHEMA) {
        let new = commands(new::Evolving::SCHEMA)
            .iter()
            .find(|new| new.name == old.name);
        let Some(new) = new else { continue };
        let declared = new.fingerprint == old.fingerprint;
        let on_the_wire = new.wire_fingerprint() == old.wire_fingerprint();
        let expected = match old.name {
            "same" => (true, true),
            "transfer" | "transfers" => (true, false),
            _ => (false, false),
        };
        assert_eq!((declared, on_the_wire), expected, "{}", old.name);
        assert_eq!(new.wire_fingerprint(), new.wire_fingerprint());
    }
}
