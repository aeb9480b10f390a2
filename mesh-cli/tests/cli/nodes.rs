//! `mesh nodes`: which nodes there are, of which version, and how they are.

use serde_json::Value;

use crate::support::{Desk, HeldPort, Mesh, v1, v2, within};

/// The row of an instance.
#[track_caller]
fn row<'a>(rows: &'a Value, instance: &str) -> &'a Value {
    let mut all = rows.as_array().expect("a list").iter();
    all.find(|row| row["instance"] == instance)
        .unwrap_or_else(|| panic!("{instance} is not in {rows:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_and_all_nodes_are_listed() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let table = mesh.cli(&["nodes"]).run().await.ok();
        assert!(table.line("type").ends_with("state"));
        let master = table.line("(master)");
        assert!(master.contains(&mesh.master.addr().to_string()));
        assert!(master.ends_with("ok"), "{master}");
        let billing = table.line("Billing");
        for part in ["b1", env!("CARGO_PKG_VERSION")] {
            assert!(billing.contains(part), "{billing}");
        }
        assert!(billing.contains(&trio.billing.addr().to_string()));
        assert!(billing.ends_with("ok"), "{billing}");

        let rows = mesh.cli(&["nodes", "--json"]).run().await.ok().json();
        assert_eq!(rows.as_array().expect("a list").len(), 4);
        assert_eq!(rows[0]["role"], "master");
        assert_eq!(rows[0]["links"], 3);
        let billing = row(&rows, "b1");
        assert_eq!(billing["role"], "node");
        assert_eq!(billing["type"], "Billing");
        assert_eq!(billing["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(billing["links"], 2);
        assert_eq!(billing["load"], 0);
        assert_eq!(billing["reachable"], true);
        assert_eq!(billing["state"], "ok");
        assert!(billing["uptime_ms"].is_u64());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_of_one_type_are_listed_and_a_type_without_nodes_is_an_error() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let rows = mesh.cli(&["nodes", "Audit", "--json"]).run().await.ok();
        let rows = rows.json();
        assert_eq!(rows.as_array().expect("a list").len(), 1);
        assert_eq!(rows[0]["instance"], "a1");
        let missing = mesh.cli(&["nodes", "Biling"]).run().await.ends_with(1);
        missing
            .tells("no node of the type `Biling`")
            .tells("there are nodes of the types Billing, ");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_another_schema_than_the_master_are_marked() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let _later = mesh
            .node(v2::Billing::node(trio.desk.clone()), "later")
            .await;
        let rows = mesh.cli(&["nodes", "--json"]).run().await.ok().json();
        let schema = |fingerprint: u64| format!("{fingerprint:#018x}");
        let first = schema(v1::Shop::SCHEMA.fingerprint());
        let second = schema(v2::Shop::SCHEMA.fingerprint());
        assert_eq!(rows[0]["schema"], *first);
        for (instance, schema, is_same) in [("b1", &first, true), ("later", &second, false)] {
            let row = row(&rows, instance);
            assert_eq!(row["schema"], **schema);
            assert_eq!(row["same_schema"], is_same);
        }
        let table = mesh.cli(&["nodes", "Billing"]).run().await.ok();
        let (_, digits) = second.split_at(2);
        let marked = format!("{}*", &digits[..8]);
        let lines = table.stdout.lines();
        let with_mark: Vec<_> = lines.filter(|line| line.contains(&marked)).collect();
        assert_eq!(with_mark.len(), 1, "{marked} is not once in {table:#?}");
        assert!(with_mark[0].contains("later"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_shuts_down_is_draining() {
    within(async {
        let mesh = Mesh::start().await;
        let mut trio = mesh.trio().await;
        // The handler keeps it from ending.
        let call = trio.charge_slowly().await;
        let billing = trio.billing.clone();
        let ending = tokio::spawn(async move { billing.shutdown().await });
        trio.is_draining().await;
        let rows = mesh.cli(&["nodes", "--json"]).run().await.ok().json();
        let state = row(&rows, "b1")["state"].as_str().expect("a text");
        assert!(state.starts_with("draining"), "{state}");
        assert_eq!(row(&rows, "b1")["load"], 1);
        assert_eq!(row(&rows, "a1")["state"], "ok");
        trio.desk.open();
        call.await.expect("an answer");
        ending.await.expect("no panic");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_at_a_wrong_address_is_unreachable_and_found_by_check() {
    within(async {
        let mesh = Mesh::start().await;
        let (desk, _) = Desk::new();
        let _audit = mesh.node(v1::Audit::node(desk.clone()), "a1").await;
        let nobody = HeldPort::any();
        let lost = v1::Billing::node(desk).advertise(nobody.addr().to_string());
        let _billing = mesh.node(lost, "b2").await;
        let rows = mesh.cli(&["nodes", "--json"]).run().await.ok().json();
        assert_eq!(row(&rows, "b2")["reachable"], false);
        assert_eq!(row(&rows, "a1")["reachable"], true);
        let check = mesh
            .cli(&["check", "--watch", "200ms"])
            .run()
            .await
            .ends_with(1);
        check.says("Billing/b2: does not answer: ");
        let links = mesh.cli(&["links", "--json"]).run().await.ok().json();
        let silent = links["unreachable"].as_array().expect("a list");
        assert!(
            silent.iter().any(|silent| silent["node"] == "Billing/b2"),
            "{links:#}"
        );
    })
    .await;
}
