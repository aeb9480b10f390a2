//! What is said if nobody can be reached, and if the keys are not those of the mesh.

use mesh_runtime::Keys;

use crate::support::{Cli, HeldPort, Mesh, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_not_there_is_told_by_each_command() {
    within(async {
        let mesh = Mesh::start().await;
        let port = HeldPort::any();
        let nobody = port.addr().to_string();
        for args in [
            &["nodes"][..],
            &["links"][..],
            &["schema"][..],
            &["events"][..],
            &["events", "--follow"][..],
            &["call", "Billing.total"][..],
            &["top", "--once"][..],
            &["bench", "Billing.total"][..],
            &["drain", "b1", "--yes"][..],
            &["jobs"][..],
            &["jobs", "dead", "Audit.record"][..],
            &["check"][..],
        ] {
            let cli = mesh.cli(args).env("MESH_MASTER", &*nobody);
            let done = cli.run().await.ends_with(3);
            done.tells(&format!("{nobody} could not be reached"))
                .tells("does it run, is the address right");
        }
        // An option comes before the environment.
        let here = mesh.master.addr().to_string();
        let schema = mesh.cli(&["schema", "--master", &here]);
        schema.env("MESH_MASTER", nobody).run().await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_told() {
    within(async {
        let mesh = Mesh::start().await;
        let other_private = mesh
            .cli(&["nodes"])
            .env("MESH_PRIVATE_KEY", Keys::generate());
        let other_public = mesh.cli(&["nodes", "--public-key", "another"]);
        for cli in [other_private, other_public] {
            let refused = cli.run().await.ends_with(3);
            refused
                .tells("the keys do not match")
                .tells("the keys come from MESH_PUBLIC_KEY");
        }
        let (whole, _) = mesh.private.split_at(mesh.private.len() - 1);
        let damaged = mesh.cli(&["nodes"]).env("MESH_PRIVATE_KEY", whole);
        let damaged = damaged.run().await.ends_with(2);
        assert!(!damaged.stderr.contains(whole), "{damaged:#?}");
        damaged.tells("is damaged");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_not_given_are_told() {
    within(async {
        let mesh = Mesh::start().await;
        for (name, which) in [
            ("MESH_PUBLIC_KEY", "no public key is given"),
            ("MESH_PRIVATE_KEY", "no private key is given"),
        ] {
            let cli = mesh.cli(&["nodes"]).without(name);
            cli.run().await.ends_with(2).tells(which).tells(name);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_node_is_not_that_of_a_master() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let node = trio.billing.addr().to_string();
        let cli = mesh.cli(&["nodes", "--master", &node]);
        cli.run().await.ends_with(3).tells(&node);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_told() {
    within(async {
        for args in [
            &["nonsense"][..],
            &["nodes", "--timeout", "5"][..],
            &["top", "--interval", "1ms"][..],
            &["jobs", "list"][..],
        ] {
            Cli::new(args).run().await.ends_with(2);
        }
        let help = Cli::new(&["--help"]).run().await.ok();
        help.says("Exit codes: 0 done; 1 the mesh says no");
    })
    .await;
}
