//! A frozen node, alone on the machine: a master notices one after some seconds, and the command must have looked before.

#[allow(dead_code, unused_imports, reason = "this test uses a part of it")]
#[path = "cli/support/mod.rs"]
mod support;

use serde_json::Value;

use support::{Desk, Mesh, NodeProcess, v1, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_is_unreachable_and_keeps_nobody_from_listing_the_others() {
    within(async {
        let mesh = Mesh::start().await;
        let (desk, _) = Desk::new();
        let _billing = mesh.node(v1::Billing::node(desk.clone()), "b1").await;
        let _audit = mesh.node(v1::Audit::node(desk), "a1").await;
        let frozen = NodeProcess::start(&mesh, "b2", 3).await;
        frozen.freeze();
        let args = ["nodes", "--node-timeout", "1s", "--json"];
        let rows = mesh.hasty_cli(&args).run().await.ok().json();
        let row = |instance: &str| {
            let mut rows = rows.as_array().expect("a list").iter();
            rows.find(|row| row["instance"] == instance)
                .unwrap_or_else(|| panic!("{instance} is not in {rows:?}"))
        };
        assert_eq!(row("b2")["reachable"], false);
        assert_eq!(row("b2")["state"], "unreachable: no answer within 1 s");
        assert_eq!(row("b2")["version"], Value::Null);
        for instance in ["b1", "a1"] {
            assert_eq!(row(instance)["reachable"], true);
        }
    })
    .await;
}
