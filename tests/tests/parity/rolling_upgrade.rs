//! A mesh is upgraded from one version of its schema to the next, one node after the other, while calls go on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use mesh_runtime::{
    CallError, Context, Event, Events, InstanceId, Keys, Master, MasterBuilder, Mesh, Node,
    NodeBuilder, NodeType,
};
use mesh_tests::{HeldPort, event, within};

mod before {
    use mesh_runtime::mesh_schema;
    use serde::{Deserialize, Serialize};

    /// A sum, in the old version.
    #[derive(Serialize, Deserialize)]
    pub(crate) struct Sum {
        /// The added part.
        pub plus: u32,
        /// The subtracted part.
        pub minus: u32,
    }

    mesh_schema! {
        /// The mesh before the upgrade.
        pub mesh Rolling;

        /// Calls.
        node Caller {
            connect: [Callee];
        }

        /// Is called.
        node Callee {
            allow: [Caller];

            /// Returns the instance id, in both versions.
            balanced fn name() -> String;

            /// Takes a list of pairs, in both versions.
            balanced fn total(of: Vec<(u32, Option<u32>)>) -> u32;

            /// The type of the sum differs between the versions.
            balanced fn sum(sum: Sum) -> u32;
        }
    }
}

mod after {
    use mesh_runtime::mesh_schema;
    use serde::{Deserialize, Serialize};

    /// A sum with its fields in a different order.
    #[derive(Serialize, Deserialize)]
    pub(crate) struct Sum {
        /// The subtracted part.
        pub minus: u32,
        /// The added part.
        pub plus: u32,
    }

    mesh_schema! {
        /// The mesh after the upgrade.
        pub mesh Rolling;

        /// Calls.
        node Caller {
            connect: [Callee];
        }

        /// Is called, and makes calls itself.
        node Callee {
            allow: [Caller, Watcher];
            connect: [Audit];

            /// Returns the instance id, in both versions.
            balanced fn name() -> String;

            /// Exists only in the new version.
            balanced fn added() -> String;

            /// Takes a list of pairs, in both versions.
            balanced fn total(of: Vec<(u32, Option<u32>)>) -> u32;

            /// The type of the sum differs between the versions.
            balanced fn sum(sum: Sum) -> u32;
        }

        /// A new node type, dialled by nodes that do not know it.
        node Audit {
            allow: [Callee];

            /// Returns the instance id.
            balanced fn audit() -> String;
        }

        /// A new node type, which dials nodes that do not know it.
        node Watcher {
            connect: [Callee];
        }
    }
}

struct Before;

impl before::CalleeHandler for Before {
    async fn name(&self, cx: Context<before::Callee>) -> String {
        cx.instance().to_string()
    }

    async fn total(&self, _cx: Context<before::Callee>, of: Vec<(u32, Option<u32>)>) -> u32 {
        of.iter().map(|(n, more)| n + more.unwrap_or(0)).sum()
    }

    async fn sum(&self, _cx: Context<before::Callee>, sum: before::Sum) -> u32 {
        sum.plus - sum.minus
    }
}

struct After;

impl after::CalleeHandler for After {
    async fn name(&self, cx: Context<after::Callee>) -> String {
        cx.instance().to_string()
    }

    async fn added(&self, cx: Context<after::Callee>) -> String {
        cx.client::<after::Audit>().audit().await.map_or_else(
            |error| error.to_string(),
            |audit| format!("{} by {audit}", cx.instance()),
        )
    }

    async fn total(&self, _cx: Context<after::Callee>, of: Vec<(u32, Option<u32>)>) -> u32 {
        of.iter().map(|(n, more)| n + more.unwrap_or(0)).sum()
    }

    async fn sum(&self, _cx: Context<after::Callee>, sum: after::Sum) -> u32 {
        sum.plus - sum.minus
    }
}

struct Auditing;

impl after::AuditHandler for Auditing {
    async fn audit(&self, cx: Context<after::Audit>) -> String {
        cx.instance().to_string()
    }
}

/// The keys and the address of the mesh.
struct Place {
    keys: Keys,
    port: HeldPort,
}

impl Place {
    async fn master<M: Mesh>(&self) -> Master {
        let builder = MasterBuilder::<M>::new().keys(&self.keys);
        builder
            .bind(self.port.addr())
            .without_discovery()
            .start()
            .await
            .unwrap()
    }

    async fn start<N: NodeType>(&self, builder: NodeBuilder<N>, instance: &str) -> Node<N> {
        builder
            .keys(&self.keys)
            .master(self.port.addr())
            .bind("127.0.0.1:0")
            .instance(instance)
            .start()
            .await
            .unwrap()
    }
}

/// Calls the unchanged commands in a loop; none of the calls may fail.
macro_rules! keep_calling {
    ($node:expr, $callee:ty, $stop:expr) => {{
        let (client, stop) = ($node.client::<$callee>(), Arc::clone(&$stop));
        tokio::spawn(async move {
            let mut calls = 0_u32;
            while !stop.load(Ordering::Acquire) {
                let name = client.name().await.unwrap();
                assert!(!name.is_empty());
                let total = client.total(vec![(1, None), (20, Some(300))]).await;
                assert_eq!(total.unwrap(), 321);
                calls += 2;
            }
            calls
        })
    }};
}

/// Waits until the peer with that instance id is linked, or is gone.
async fn sees(events: &mut Events, instance: &str, there: bool) {
    let instance = InstanceId::from(instance);
    event(events, |event| match event {
        Event::LinkUp { peer } => (there && peer.instance == instance).then_some(()),
        Event::LinkDown { peer, .. } => (!there && peer.instance == instance).then_some(()),
        _ => None,
    })
    .await;
}

fn is_incompatible<T: std::fmt::Debug>(answer: Result<T, CallError>) {
    let error = answer.expect_err("nobody there means the same by it");
    assert!(matches!(error, CallError::Incompatible { .. }), "{error:?}");
    assert!(!error.maybe_executed());
}

#[tokio::test]
async fn instances_are_replaced_one_by_one_and_no_call_of_an_unchanged_command_fails() {
    within(async {
        let place = Place {
            keys: Keys::new("Rolling", Keys::generate()),
            port: HeldPort::any(),
        };
        let master = place.master::<before::Rolling>().await;
        let mut old_callees = Vec::new();
        for name in ["c1", "c2", "c3"] {
            old_callees.push(place.start(before::Callee::node(Before), name).await);
        }
        let old = place.start(before::Caller::node(), "old").await;
        old.ready::<before::Callee>(3).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let by_old = keep_calling!(old, before::Callee, stop);
        let (mut of_old, mut of_callee) = (old.events(), old_callees[0].events());

        // The master is upgraded first. Old nodes do not know its schema, and register with it again.
        master.shutdown().await;
        drop(master);
        let master = place.master::<after::Rolling>().await;
        for events in [&mut of_old, &mut of_callee] {
            event(events, |event| (event == Event::Registered).then_some(())).await;
        }
        assert!(master.wait_for_nodes(4).await);

        // Nodes of types that old nodes do not know: the old nodes are told to dial the one, and are dialled by the
        // other.
        let _audit = place.start(after::Audit::node(Auditing), "audit").await;
        let watcher = place.start(after::Watcher::node(), "watcher").await;
        let mut of_watcher = watcher.events();
        let new = place.start(after::Caller::node(), "new").await;
        new.ready::<after::Callee>(3).await.unwrap();
        let mut of_new = new.events();
        let by_new = keep_calling!(new, after::Callee, stop);

        let (from_old, from_new) = (
            old.client::<before::Callee>(),
            new.client::<after::Callee>(),
        );
        is_incompatible(from_new.added().await);
        is_incompatible(from_new.sum(after::Sum { plus: 5, minus: 3 }).await);

        let mut new_callees: Vec<Node<after::Callee>> = Vec::new();
        for (index, callee) in old_callees.into_iter().enumerate() {
            let name = format!("c{}", index + 1);
            let sum = from_old.sum(before::Sum { plus: 5, minus: 3 }).await;
            assert_eq!(sum.unwrap(), 2);
            callee.shutdown().await;
            drop(callee);
            for events in [&mut of_old, &mut of_new] {
                sees(events, &name, false).await;
            }
            let callee = place.start(after::Callee::node(After), &name).await;
            for events in [&mut of_old, &mut of_new, &mut of_watcher] {
                sees(events, &name, true).await;
            }
            callee.ready::<after::Audit>(1).await.unwrap();
            new_callees.push(callee);

            // Changed commands go only to instances with the same version of them.
            for _ in 0..4 {
                let sum = from_new.sum(after::Sum { plus: 5, minus: 3 }).await;
                assert_eq!(sum.unwrap(), 2);
                let added = from_new.added().await.unwrap();
                let updated = new_callees
                    .iter()
                    .any(|callee| added == format!("{} by audit", callee.instance()));
                assert!(updated, "{added}");
            }
        }
        // Only old callers fail, and only with changed commands.
        is_incompatible(from_old.sum(before::Sum { plus: 5, minus: 3 }).await);
        let names = watcher.client::<after::Callee>().name().await.unwrap();
        assert!(["c1", "c2", "c3"].contains(&names.as_str()));

        stop.store(true, Ordering::Release);
        for calls in [by_old, by_new] {
            assert!(calls.await.unwrap() > 0);
        }
    })
    .await;
}
