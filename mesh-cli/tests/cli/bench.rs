//! `mesh bench`: rates and durations, and what it does not do without being asked twice.

use serde_json::{Value, json};

use crate::support::{Mesh, NOBODY, args, within};

/// Measures for a second.
const SHORT: [&str; 6] = ["--seconds", "1", "--warmup", "0", "--concurrency", "8"];

fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["bench"][..], args, &SHORT].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_and_durations_are_told_as_percentiles() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let report = mesh.cli(&with(&["Billing.total", "--json"])).run().await;
        let report = report.ok().json();
        let calls = report["calls"].as_u64().expect("a number");
        assert!(calls > 0, "{report:#}");
        assert!(trio.served("total") >= calls);
        assert_eq!(report["command"], "Billing.total");
        assert_eq!(report["instances"], 1);
        assert_eq!(report["concurrency"], 8);
        assert_eq!(report["errors"], json!({}));
        assert!(report["calls_per_s"].as_f64() > Some(0.0), "{report:#}");
        let percentiles = ["min_ms", "p50_ms", "p90_ms", "p99_ms", "p99.9_ms", "max_ms"];
        let percentiles = percentiles.map(|name| report["percentiles"][name].as_f64());
        assert!(percentiles.iter().all(Option::is_some), "{report:#}");
        assert!(percentiles.is_sorted(), "{report:#}");

        let text = mesh.cli(&with(&["Billing.total"])).run().await.ok();
        text.says("Billing.total of 1 instance, 8 at once, 1 s")
            .says("calls   ")
            .says("errors  0")
            .says("p99.9");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_not_idempotent_is_not_called_without_a_confirmation() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let ada = args("ada").to_string();
        let charge = with(&["Billing.charge", &ada, "--json"]);
        let asked = mesh.cli(&charge).run().await.ends_with(2);
        asked
            .tells("this needs a confirmation")
            .tells("add --yes if it is to be done");
        assert_eq!(trio.served("charge"), 0);
        let confirmed = [&charge[..], &["--yes"]].concat();
        let report = mesh.cli(&confirmed).run().await.ok().json();
        assert!(report["calls"].as_u64() > Some(0), "{report:#}");
        assert!(trio.served("charge") > 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_err_counts_as_an_error() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let nobody = args(NOBODY).to_string();
        let charge = with(&["Billing.charge", &nobody, "--json", "--yes"]);
        let report: Value = mesh.cli(&charge).run().await.ok().json();
        let errors = &report["errors"]["answered with an Err"];
        assert_eq!(*errors, report["calls"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_queued_only_if_that_is_asked_for() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let entry = json!({"entry": {"id": 1, "text": "x"}}).to_string();
        let record = with(&["Audit.record", &entry, "--yes"]);
        let refused = mesh.cli(&record).run().await.ends_with(2);
        refused.tells("is queued").tells("--queue-jobs");
        let counted = trio.audit.metrics().commands;
        let mut counted = counted.iter().filter(|counted| counted.command == "record");
        assert!(counted.all(|counted| counted.count() == 0));
    })
    .await;
}
