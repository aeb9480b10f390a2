//! `--observer`: looks at everything that has no arguments in it, and steers nothing.

use crate::support::{Mesh, args, v1, within};

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_steers_nothing() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        trio.dead_letters(&["no ink"]).await;
        let ada = args("ada").to_string();
        for steering in [
            &["call", "Billing.total"][..],
            &["call", "Billing.charge", &ada][..],
            &["drain", "b1", "--yes"][..],
            &["jobs", "list", "Audit.record"][..],
            &["jobs", "dead", "Audit.record"][..],
            &["jobs", "show", "Audit.record", "x"][..],
            &["jobs", "cancel", "Audit.record", "x"][..],
            &["jobs", "requeue", "Audit.record", "x"][..],
            &["jobs", "requeue", "Audit.record", "--all"][..],
            &["jobs", "purge", "Audit.record", "x", "--yes"][..],
            &["jobs", "purge", "Audit.record", "--all", "--yes"][..],
            &["jobs", "pause", "Audit.record"][..],
            &["jobs", "resume", "Audit.record"][..],
        ] {
            let refused = [&["--observer"][..], steering].concat();
            let refused = mesh.cli(&refused).run().await.ends_with(1);
            refused
                .tells("may not be called by an observer")
                .tells("leave out --observer");
        }
        let total = trio.gateway.client::<v1::Billing>().total().await;
        assert_eq!(total.expect("Billing works"), 0);
        assert_eq!(trio.dead().await, 1);
        let stats = trio.audit.queues().record().stats().await;
        assert!(!stats.expect("the engine is there").paused);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_looks_at_the_rest() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        for (looking, text) in [
            (&["nodes"][..], "Billing"),
            (&["links"][..], "Gateway/g1"),
            (&["schema"][..], "mesh Shop;"),
            (&["events"][..], "node up"),
            (&["jobs"][..], "Audit.record"),
            (&["check", "--watch", "200ms"][..], "ok: 3 nodes"),
            (
                &["top", "--once", "--interval", "200ms"][..],
                "Billing.total",
            ),
        ] {
            let look = [&["--observer"][..], looking].concat();
            mesh.cli(&look).run().await.ok().says(text);
        }
    })
    .await;
}
