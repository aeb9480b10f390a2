//! `mesh links`: the links between nodes, as each end sees them.

use serde_json::Value;

use crate::support::{Mesh, within};

/// The link that one node reports to another.
#[track_caller]
fn link<'a>(report: &'a Value, from: &str, to: &str) -> &'a Value {
    let mut links = report["links"].as_array().expect("a list").iter();
    links
        .find(|link| link["from"] == from && link["to"] == to)
        .unwrap_or_else(|| panic!("no link from {from} to {to} in {report:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_link_is_seen_from_both_ends() {
    within(async {
        let mesh = Mesh::start().await;
        let mut trio = mesh.trio().await;
        let call = trio.charge_slowly().await;
        let report = mesh.cli(&["links", "--json"]).run().await.ok().json();
        assert_eq!(report["links"].as_array().expect("a list").len(), 4);
        assert_eq!(report["unreachable"], Value::Array(Vec::new()));
        let dialled = link(&report, "Gateway/g1", "Billing/b1");
        assert_eq!(dialled["dialled_by"], "from");
        assert_eq!(dialled["addr"], trio.billing.addr().to_string());
        assert_eq!(dialled["in_flight"], 1);
        assert_eq!(dialled["draining"], false);
        assert_eq!(dialled["silent"], false);
        let accepted = link(&report, "Billing/b1", "Gateway/g1");
        assert_eq!(accepted["dialled_by"], "to");
        assert_eq!(accepted["in_flight"], 0);
        assert_eq!(
            link(&report, "Billing/b1", "Audit/a1")["dialled_by"],
            "from"
        );
        trio.desk.open();
        call.await.expect("an answer");

        let table = mesh.cli(&["links"]).run().await.ok();
        assert!(table.line("from").contains("in flight"));
        let line = table.line("Gateway/g1");
        assert!(line.contains("Billing/b1"), "{line}");
        assert!(line.ends_with("ok"), "{line}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_links_of_one_node_are_listed() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        for name in ["a1", "Audit/a1"] {
            let report = mesh.cli(&["links", name, "--json"]).run().await.ok();
            let report = report.json();
            assert_eq!(report["links"].as_array().expect("a list").len(), 2);
            link(&report, "Billing/b1", "Audit/a1");
            link(&report, "Audit/a1", "Billing/b1");
        }
        let nobody = mesh.cli(&["links", "b2"]).run().await.ends_with(1);
        nobody
            .tells("there is no node `b2`")
            .tells("there are Billing/b1, ");
    })
    .await;
}
