//! Which calls count against an instance: only those that had the time which their command promises.

use std::{future::pending, time::Duration};

use mesh_runtime::{CallError, Context, mesh_schema, testing::TestMesh};
use mesh_tests::within;

mesh_schema! {
    mesh Relay;
    node Front { connect: [Middle]; }
    node Middle {
        allow: [Front];
        connect: [End];

        /// Calls the end.
        balanced fn relay() -> bool;
    }
    node End {
        allow: [Middle];

        /// Answers nothing.
        balanced fn hang();
    }
}

struct Relays;

impl MiddleHandler for Relays {
    async fn relay(&self, cx: Context<Middle>) -> bool {
        cx.client::<End>().hang().await.is_ok()
    }
}

struct Hangs;

impl EndHandler for Hangs {
    async fn hang(&self, _: Context<End>) {
        pending().await
    }
}

#[tokio::test]
async fn a_deadline_that_came_with_too_little_time_does_not_count() {
    within(async {
        let mesh = TestMesh::<Relay>::start().await.unwrap();
        let _ends = [
            mesh.start_node(End::node(Hangs)).await.unwrap(),
            mesh.start_node(End::node(Hangs)).await.unwrap(),
        ];
        let middle = mesh.start_node(Middle::node(Relays)).await.unwrap();
        middle.ready::<End>(2).await.unwrap();
        let front = mesh.start_node(Front::node()).await.unwrap();
        front.ready::<Middle>(1).await.unwrap();
        let resting = || {
            let links = middle.links().into_iter();
            links.filter(|link| link.rests_for.is_some()).count()
        };
        let short = Duration::from_millis(30);
        for _ in 0..20 {
            let relayed = front.client::<Middle>().relay().timeout(short).await;
            let error = relayed.unwrap_err();
            assert!(
                matches!(error, CallError::DeadlineExceeded { .. }),
                "{error:?}"
            );
        }
        assert_eq!(resting(), 0);
        // A call whose own timeout is that short has had its time.
        for _ in 0..20 {
            middle
                .client::<End>()
                .hang()
                .timeout(short)
                .await
                .unwrap_err();
        }
        assert_eq!(resting(), 1);
    })
    .await;
}
