//! `mesh check`: what is wrong, or nothing.

use serde_json::Value;

use crate::support::{Desk, Mesh, v1, v2, within};

/// Does not look long at queues.
const CHECK: [&str; 3] = ["check", "--watch", "200ms"];

/// What is found.
async fn findings(mesh: &Mesh, exit: i32) -> Value {
    let check = [&CHECK[..], &["--json"]].concat();
    let report = mesh.cli(&check).run().await.ends_with(exit).json();
    assert_eq!(report["ok"], exit == 0, "{report:#}");
    report
}

/// The finding of a kind.
#[track_caller]
fn finding<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let mut findings = report["findings"].as_array().expect("a list").iter();
    findings
        .find(|finding| finding["kind"] == kind)
        .unwrap_or_else(|| panic!("no finding is called {kind} in {report:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_that_works_is_ok() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let strict = [&CHECK[..], &["--strict"]].concat();
        let well = mesh.cli(&strict).run().await.ok();
        assert_eq!(well.stdout, "ok: 3 nodes, 6 commands, nothing wrong\n");
        let report = findings(&mesh, 0).await;
        assert_eq!(report["nodes"], 3);
        assert_eq!(report["findings"], Value::Array(Vec::new()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_versions_are_told_with_the_commands_that_differ() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let later = v2::Billing::node(trio.desk.clone());
        let later = mesh.node(later, "b2").await;
        later.ready::<v2::Audit>(1).await.expect("a link");
        trio.gateway.ready::<v1::Billing>(2).await.expect("links");
        let report = findings(&mesh, 0).await;
        let differ = finding(&report, "schemas_differ");
        assert_eq!(differ["severity"], "warning");
        let what = differ["what"].as_str().expect("a text");
        assert!(what.starts_with("Billing/b2 has schema 0x"), "{what}");
        let commands = "Billing: changed charge, added refund";
        assert!(what.ends_with(commands), "{what}");
        let text = mesh.cli(&CHECK).run().await.ok();
        text.says(commands).says("0 errors, 1 warning in 4 nodes");
        let strict = [&CHECK[..], &["--strict"]].concat();
        mesh.cli(&strict).run().await.ends_with(1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_and_paused_queues_are_told() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        trio.dead_letters(&["no ink", "no paper"]).await;
        let paused = trio.audit.queues().reindex().pause().await;
        paused.expect("the engine is there");
        let report = findings(&mesh, 0).await;
        let dead = finding(&report, "dead_letters");
        assert_eq!(dead["where"], "Audit.record");
        assert_eq!(dead["what"], "2 dead letters");
        assert_eq!(dead["do"], "look at them: mesh jobs dead Audit.record");
        let paused = finding(&report, "queue_paused");
        assert_eq!(paused["where"], "Audit.reindex");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_others_connect_to_must_have_an_instance() {
    within(async {
        let mesh = Mesh::start().await;
        let (desk, _) = Desk::new();
        let _billing = mesh.node(v1::Billing::node(desk), "b1").await;
        let report = findings(&mesh, 1).await;
        let missing = report["findings"].as_array().expect("a list").iter();
        let missing: Vec<_> = missing
            .filter(|finding| finding["kind"] == "no_instance")
            .map(|finding| (finding["where"].as_str(), finding["severity"].as_str()))
            .collect();
        let expected = [
            (Some("Audit"), Some("error")),
            (Some("Gateway"), Some("warning")),
        ];
        assert_eq!(missing, expected);
        let text = mesh.cli(&CHECK).run().await.ends_with(1);
        text.says("error   Audit: has no instance in the mesh, and Billing connects to it")
            .says("start an instance of Audit");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_shuts_down_and_a_mesh_without_nodes_are_told() {
    within(async {
        let mesh = Mesh::start().await;
        let report = findings(&mesh, 1).await;
        assert_eq!(finding(&report, "no_nodes")["severity"], "error");

        let mut trio = mesh.trio().await;
        let call = trio.charge_slowly().await;
        let billing = trio.billing.clone();
        let ending = tokio::spawn(async move { billing.shutdown().await });
        trio.is_draining().await;
        let report = findings(&mesh, 0).await;
        let draining = finding(&report, "draining");
        assert_eq!(draining["where"], "Billing/b1");
        trio.desk.open();
        call.await.expect("an answer");
        ending.await.expect("no panic");
    })
    .await;
}
