//! `mesh drain`: a node finishes what it does, and ends.

use tokio::net::TcpStream;

use crate::support::{Mesh, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_drained_only_after_a_confirmation_and_then_has_ended() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let asked = mesh.cli(&["drain", "b1"]).run().await.ends_with(2);
        asked
            .tells("Billing/b1 has 0 handlers")
            .tells("add --yes if it is to be done");
        let nodes = mesh.cli(&["nodes", "Billing"]).run().await.ok();
        assert!(nodes.line("Billing").ends_with("ok"), "{nodes:#?}");

        let drained = mesh.cli(&["drain", "b1", "--yes"]).run().await.ok();
        drained
            .says("Billing/b1 has ended after ")
            .tells("no other node of the type `Billing` takes calls");
        // It returns at once: the node has ended.
        trio.billing.shutdown().await;
        assert!(TcpStream::connect(trio.billing.addr()).await.is_err());
        mesh.without("Billing").await;
        let gone = mesh.cli(&["drain", "b1", "--yes"]).run().await.ends_with(1);
        gone.tells("there is no node `b1`");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_until_calls_under_way_have_ended() {
    within(async {
        let mesh = Mesh::start().await;
        let mut trio = mesh.trio().await;
        let call = trio.charge_slowly().await;
        let drain = ["drain", "Billing/b1", "--yes", "--json"];
        let drain = tokio::spawn(mesh.cli(&drain).run());
        trio.is_draining().await;
        trio.desk.open();
        call.await.expect("an answer");
        let drained = drain.await.expect("no panic").ok();
        let drained = drained.tells("1 handler").json();
        assert_eq!(drained["node"], "Billing/b1");
        assert_eq!(drained["ended"], true);
        assert!(drained["took_ms"].is_u64());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_end_in_time_is_told_with_what_it_still_does() {
    within(async {
        let mesh = Mesh::start().await;
        let mut trio = mesh.trio().await;
        let call = trio.charge_slowly().await;
        let drain = ["drain", "b1", "--yes", "--wait", "1s"];
        let late = mesh.cli(&drain).run().await.ends_with(1);
        late.tells("Billing/b1 has not ended within 1 s: 1 handler ");
        trio.desk.open();
        call.await.expect("an answer");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_wait_if_that_is_asked_for() {
    within(async {
        let mesh = Mesh::start().await;
        let mut trio = mesh.trio().await;
        let call = trio.charge_slowly().await;
        let drain = ["drain", "b1", "--yes", "--no-wait", "--json"];
        let drained = mesh.cli(&drain).run().await.ok().json();
        assert_eq!(drained["ended"], false);
        trio.is_draining().await;
        trio.desk.open();
        call.await.expect("an answer");
    })
    .await;
}
