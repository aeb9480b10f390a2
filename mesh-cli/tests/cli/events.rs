//! `mesh events`: what has happened, and what happens.

use serde_json::Value;

use crate::support::{Mesh, v1, within};

/// Whether the master has told that a node came.
fn is_up(event: &Value, node: &str) -> bool {
    event["source"] == "master" && event["kind"] == "node_up" && event["peer"] == node
}

#[tokio::test(flavor = "multi_thread")]
async fn past_events_are_listed_by_time() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let events = mesh.cli(&["events", "--json"]).run().await.ok().json();
        let events = events.as_array().expect("a list");
        for node in ["Gateway/g1", "Billing/b1", "Audit/a1"] {
            assert!(events.iter().any(|event| is_up(event, node)), "{events:#?}");
        }
        let times = events.iter().map(|event| event["at_ms"].as_u64());
        assert!(times.is_sorted(), "{events:#?}");

        let text = mesh.cli(&["events", "master"]).run().await.ok();
        let lines = text.stdout.lines();
        let lines: Vec<_> = lines.filter(|line| line.contains("node up")).collect();
        assert_eq!(lines.len(), 3, "{text:#?}");
        assert!(lines[0].contains("master") && lines[0].contains("Audit/a1"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_chosen_by_node_age_and_number() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let events = mesh.cli(&["events", "b1", "--json"]).run().await.ok();
        let events = events.json();
        let events = events.as_array().expect("a list");
        let is_of_billing = |event: &Value| event["source"] == "Billing/b1";
        assert!(events.iter().all(is_of_billing), "{events:#?}");
        let registered = events.iter().any(|event| event["kind"] == "registered");
        assert!(registered, "{events:#?}");

        let max = ["events", "master", "--max", "1", "--json"];
        let latest = mesh.cli(&max).run().await.ok().json();
        assert_eq!(latest.as_array().expect("a list").len(), 1);
        assert!(is_up(&latest[0], "Gateway/g1"), "{latest:#}");
        let since = ["events", "master", "--since", "1h", "--json"];
        let since = mesh.cli(&since).run().await.ok().json();
        assert_eq!(since.as_array().expect("a list").len(), 3);
        mesh.cli(&["events", "nobody"]).run().await.ends_with(1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_events_are_followed_until_somebody_presses_ctrl_c() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let mut following = mesh.cli(&["events", "--follow", "--json"]).start();
        let has = |line: &str, node: &str| {
            let event: Value = serde_json::from_str(line).expect("a line of JSON");
            is_up(&event, node)
        };
        // The past comes first.
        following.line(|line| has(line, "Billing/b1")).await;
        let node = v1::Billing::node(trio.desk.clone());
        let newcomer = mesh.node(node, "b2").await;
        // The newcomer tells its own events, too.
        let (mut is_up, mut tells) = (false, false);
        let are_both = |line: &str| {
            is_up |= has(line, "Billing/b2");
            tells |= line.contains(r#""source":"Billing/b2""#);
            is_up && tells
        };
        following.line(are_both).await;
        newcomer.shutdown().await;
        let is_gone = |line: &str| line.contains("node_down") && line.contains("Billing/b2");
        following.line(is_gone).await;
        let status = following.interrupt().await;
        assert_eq!(status.code(), Some(0), "{status}");
    })
    .await;
}
