//! Calls back, over a link that the callee dials: open unless its schema closes the way.

use mesh_runtime::{CallError, Node, NodeBuilder, NodeType, testing::TestMesh};
use mesh_tests::{start_at, within};

mod open {
    mesh_runtime::mesh_schema! {
        /// The way back is open, because nothing says otherwise.
        pub mesh Pictures;

        /// Dials, and is called back.
        node Resize {
            connect: [Index, Store];

            /// The same in both schemas.
            balanced fn resize(path: String) -> String;
        }

        /// Is dialled, and calls back.
        node Index {
            allow: [Resize];
        }

        /// The same.
        node Store {
            allow: [Resize];
        }
    }

    impl ResizeHandler for super::Resizer {
        async fn resize(&self, _cx: mesh_runtime::Context<Resize>, path: String) -> String {
            path
        }
    }
}

mod closed {
    mesh_runtime::mesh_schema! {
        /// The way back is open for one of the two.
        pub mesh Pictures;

        /// Dials, and is called back by one.
        node Resize {
            connect: [Index, Store];
            reverse: [Store];

            /// The same in both schemas.
            balanced fn resize(path: String) -> String;
        }

        /// Is dialled.
        node Index {
            allow: [Resize];
        }

        /// Is dialled, and calls back.
        node Store {
            allow: [Resize];
        }
    }

    impl ResizeHandler for super::Resizer {
        async fn resize(&self, _cx: mesh_runtime::Context<Resize>, path: String) -> String {
            path
        }
    }
}

struct Resizer;

async fn start<N: NodeType>(mesh: &TestMesh<open::Pictures>, builder: NodeBuilder<N>) -> Node<N> {
    start_at(builder, mesh.keys(), mesh.master().addr()).await
}

#[tokio::test]
async fn a_node_calls_back_over_a_link_that_the_other_dials() {
    within(async {
        let mesh = TestMesh::<open::Pictures>::start().await.unwrap();
        let index = start(&mesh, open::Index::node()).await;
        let _resize = start(&mesh, open::Resize::node(Resizer)).await;
        index.ready::<open::Resize>(1).await.unwrap();
        let resized = index.client::<open::Resize>().resize("a".into()).await;
        assert_eq!(resized.unwrap(), "a");
    })
    .await;
}

#[tokio::test]
async fn a_way_back_that_is_closed_is_denied_on_the_wire_too() {
    within(async {
        let mesh = TestMesh::<open::Pictures>::start().await.unwrap();
        // Their program was built with a schema that lets both call.
        let index = start(&mesh, open::Index::node()).await;
        let store = start(&mesh, open::Store::node()).await;
        let _resize = start(&mesh, closed::Resize::node(Resizer)).await;
        index.ready::<open::Resize>(1).await.unwrap();
        store.ready::<open::Resize>(1).await.unwrap();

        let denied = index.client::<open::Resize>().resize("a".into()).await;
        let error = denied.unwrap_err();
        assert!(matches!(error, CallError::Denied { .. }), "{error:?}");
        let resized = store.client::<open::Resize>().resize("a".into()).await;
        assert_eq!(resized.unwrap(), "a");

        let store = start(&mesh, closed::Store::node()).await;
        store.ready::<closed::Resize>(1).await.unwrap();
        let resized = store.client::<closed::Resize>().resize("b".into()).await;
        assert_eq!(resized.unwrap(), "b");
    })
    .await;
}
