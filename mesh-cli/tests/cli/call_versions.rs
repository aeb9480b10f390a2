//! `mesh call` while instances of two versions are there: each call goes to one whose declaration it suits.

use mesh_runtime::Node;
use serde_json::{Value, json};

use crate::support::{Mesh, Trio, args, later_args, v2, within};

/// `b1` of the first version, and `b2` of the second.
async fn both(mesh: &Mesh) -> (Trio, Node<v2::Billing>) {
    let trio = mesh.trio().await;
    let later = v2::Billing::node(trio.desk.clone());
    let later = mesh.node(later, "b2").await;
    (trio, later)
}

/// Calls `charge`, and returns who has answered.
async fn charged_by(mesh: &Mesh, args: &Value, more: &[&str]) -> Value {
    let args = args.to_string();
    let call = [&["call", "Billing.charge", &args][..], more].concat();
    mesh.cli(&call).run().await.ok().json()["Ok"]["by"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_to_an_instance_of_the_version_that_it_suits() {
    within(async {
        let mesh = Mesh::start().await;
        let _both = both(&mesh).await;
        let later = later_args("ada");
        assert_eq!(charged_by(&mesh, &later, &["--to", "b2"]).await, "b2");
        // Which instance is tried first is random.
        for _ in 0..3 {
            assert_eq!(charged_by(&mesh, &later, &[]).await, "b2");
            assert_eq!(charged_by(&mesh, &args("ada"), &[]).await, "b1");
        }
        // The master does not know this one.
        let refund = ["call", "Billing.refund", r#"{"id": 7}"#];
        assert_eq!(mesh.cli(&refund).run().await.ok().json(), 7);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_suit_the_version_of_an_instance_is_told() {
    within(async {
        let mesh = Mesh::start().await;
        let (trio, _later) = both(&mesh).await;
        for (args, to, what) in [
            (later_args("ada"), "b1", "order.currency is not known"),
            (args("ada"), "b2", "order.currency is missing: text"),
        ] {
            let args = args.to_string();
            let call = ["call", "Billing.charge", &args, "--to", to];
            mesh.cli(&call).run().await.ends_with(2).tells(what);
        }
        // Of what suits neither, it is told why for each.
        let args = json!({"order": {}}).to_string();
        let neither = mesh.cli(&["call", "Billing.charge", &args]).run().await;
        neither
            .ends_with(2)
            .tells("  Billing/b1: the arguments do not suit")
            .tells("  Billing/b2: the arguments do not suit");
        assert_eq!(trio.served("charge"), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_instances_those_that_cannot_be_called_are_told() {
    within(async {
        let mesh = Mesh::start().await;
        let _both = both(&mesh).await;
        let later = later_args("ada").to_string();
        let all = ["call", "Billing.charge", &later, "--all"];
        let all = mesh.cli(&all).run().await.ends_with(1);
        let first = all.line("Billing/b1");
        assert!(
            first.contains("error: the arguments do not suit"),
            "{first}"
        );
        assert!(all.line("Billing/b2").contains("\"Ok\""));
        let flush = ["call", "Billing.flush", "--json"];
        let flush = mesh.cli(&flush).run().await.ok().json();
        let answers = flush.as_array().expect("a list").iter();
        let answers: Vec<_> = answers.map(|answer| &answer["answer"]).collect();
        assert_eq!(answers, [1, 2]);
    })
    .await;
}
