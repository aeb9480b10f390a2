//! Completions: the scripts for shells, and what they offer of a running mesh.

use crate::support::{Cli, HeldPort, Mesh, until, within};

/// Asks as bash does, for the last of these words.
fn asking(mesh: &Mesh, words: &[&str]) -> Cli {
    let index = words.len() - 1;
    mesh.hasty_cli(&[&["--"][..], words].concat())
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", index.to_string())
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_COMPLETE_SPACE", "true")
        .env("_CLAP_IFS", "\n")
}

async fn offered(cli: Cli) -> Vec<String> {
    let done = cli.run().await.ok();
    done.stdout.lines().map(str::to_owned).collect()
}

/// Waits until these are offered. A master that does not answer within a second, because the machine is busy, is left
/// out: then it is asked again.
async fn are_offered(mesh: &Mesh, words: &[&str], wanted: &[&str]) -> Vec<String> {
    let mut candidates = Vec::new();
    until(async || {
        candidates = offered(asking(mesh, words)).await;
        let mut wanted = wanted.iter();
        wanted.all(|wanted| candidates.iter().any(|candidate| candidate == wanted))
    })
    .await;
    candidates
}

#[tokio::test(flavor = "multi_thread")]
async fn each_shell_gets_its_script() {
    within(async {
        for (shell, part) in [
            ("bash", "complete -o nospace"),
            ("zsh", "#compdef mesh"),
            ("fish", "complete"),
        ] {
            let script = Cli::new(&["completion", shell]).run().await.ok();
            script
                .says(part)
                .says("COMPLETE")
                .says(env!("CARGO_BIN_EXE_mesh"));
        }
        Cli::new(&["completion", "tcsh"]).run().await.ends_with(2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn types_commands_and_instances_of_the_running_mesh_are_offered() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let types = ["Gateway", "Billing", "Audit"];
        are_offered(&mesh, &["mesh", "nodes", ""], &types).await;
        let commands = ["Billing.charge", "Billing.total", "Billing.flush"];
        let commands = are_offered(&mesh, &["mesh", "call", "Bil"], &commands).await;
        assert!(commands.iter().all(|name| name.starts_with("Billing.")));
        let instances = ["a1", "b1", "g1"];
        are_offered(&mesh, &["mesh", "drain", ""], &instances).await;
        are_offered(&mesh, &["mesh", "schema", "--of", ""], &instances).await;
        let full = ["Billing/b1"];
        are_offered(&mesh, &["mesh", "call", "x", "--to", "Bil"], &full).await;
        let jobs = ["Audit.record", "Audit.reindex"];
        let queued = ["mesh", "jobs", "dead", ""];
        let queued = are_offered(&mesh, &queued, &jobs).await;
        assert!(!queued.iter().any(|name| name.starts_with("Billing.")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mesh_commands_and_options_are_offered() {
    within(async {
        let mesh = Mesh::start().await;
        let port = HeldPort::any();
        let nobody = asking(&mesh, &["mesh", "nodes", "B"]);
        let nobody = nobody.env("MESH_MASTER", port.addr().to_string());
        assert_eq!(offered(nobody).await, Vec::<String>::new());
        let subcommands = offered(asking(&mesh, &["mesh", "dr"])).await;
        assert_eq!(subcommands, ["drain"]);
        let options = offered(asking(&mesh, &["mesh", "drain", "--no-w"])).await;
        assert_eq!(options, ["--no-wait"]);
    })
    .await;
}
