//! A node with invalid settings does not start. The error names the setting and where it was set, and says how to fix
//! it.

use std::{error::Error, time::Duration};

use mesh_runtime::{Heartbeat, Keys, KeysError, NodeBuilder, StartError, testing::TestMesh};
use mesh_tests::{Back, Parity, Stage, within};

const SECOND: Duration = Duration::from_secs(1);

/// The error of starting a node with these settings.
async fn refused(set: impl FnOnce(NodeBuilder<Back>) -> NodeBuilder<Back>) -> StartError {
    let mesh = TestMesh::<Parity>::start().await.unwrap();
    let node = mesh.start_node(set(Back::node(Stage::quiet()))).await;
    node.expect_err("the settings make no sense")
}

fn assert_config(error: &StartError, setting: &str, how: &str) {
    let text = error.to_string();
    assert!(
        matches!(error, StartError::Config { setting: which, .. } if *which == setting),
        "{error:?}"
    );
    assert!(text.contains(how), "{text}");
}

#[tokio::test]
async fn a_heartbeat_that_makes_no_sense_is_refused() {
    within(async {
        for (heartbeat, how) in [
            (Heartbeat::every(Duration::ZERO), "at least 1 ms"),
            (Heartbeat::every(Duration::from_nanos(1)), "at least 1 ms"),
            (Heartbeat::every(Duration::MAX), "at most 24 h"),
            (
                Heartbeat::every(SECOND).silence(SECOND),
                "several times as long",
            ),
        ] {
            let error = refused(|back| back.heartbeat(heartbeat)).await;
            assert_config(&error, "heartbeat()", how);
            let master = Parity::master().keys(&Keys::new("settings", Keys::generate()));
            let error = master.heartbeat(heartbeat).start().await.unwrap_err();
            assert_config(&error, "heartbeat()", how);
        }
    })
    .await;
}

#[tokio::test]
async fn a_budget_that_lets_nothing_through_or_cannot_be_counted_is_refused() {
    within(async {
        for (calls, bytes) in [(0, 1), (1, 0), (1, 1 << 61), (1, u64::MAX)] {
            let error = refused(|back| back.budget(calls, bytes)).await;
            assert_config(&error, "budget()", "at least 1");
        }
    })
    .await;
}

#[tokio::test]
async fn the_largest_budget_works() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = Back::node(Stage::quiet()).budget(u32::MAX, (1 << 61) - 1);
        mesh.start_node(back).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_endless_grace_is_refused() {
    within(async {
        let error = refused(|back| back.grace(Duration::MAX)).await;
        assert_config(&error, "grace()", "at most 24 h");
    })
    .await;
}

#[tokio::test]
async fn a_port_that_cannot_be_dialled_is_refused() {
    within(async {
        let back = || Back::node(Stage::quiet()).keys(&Keys::new("settings", Keys::generate()));
        let error = back().master("127.0.0.1:0").start().await.unwrap_err();
        assert_config(&error, "master() or MESH_MASTER", "1 to 65535");
        let error = back().advertise("host:0").start().await.unwrap_err();
        assert_config(&error, "advertise() or MESH_ADVERTISE", "1 to 65535");
        for master in [None, Some("127.0.0.1")] {
            let back = back().discovery_port(0);
            let back = match master {
                Some(host) => back.master(host),
                None => back,
            };
            let error = back.start().await.unwrap_err();
            let setting = "discovery_port() or MESH_DISCOVERY_PORT";
            assert_config(&error, setting, "cannot be dialled");
        }
    })
    .await;
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_an_error_with_its_cause() {
    within(async {
        let node = Back::node(Stage::quiet()).keys(&Keys::new("", "private"));
        let error = node.start().await.unwrap_err();
        assert!(
            matches!(error, StartError::Keys(KeysError::EmptyPublic)),
            "{error:?}"
        );
        assert!(error.source().is_some());
    })
    .await;
}
