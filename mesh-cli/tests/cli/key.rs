//! `mesh key new`: keys with which a mesh can be started.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use crate::support::{Cli, Mesh, v1, within};

/// The value of a line such as `MESH_PUBLIC_KEY=shop` or `public_key = "shop"`.
#[track_caller]
fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name));
    let rest = rest.unwrap_or_else(|| panic!("no {name} in {text}"));
    rest.trim_start_matches([' ', '='])
        .trim_matches(['"', '\''])
}

fn config(directory: &Path, args: &[&str]) -> Cli {
    Cli::new(args).env("XDG_CONFIG_HOME", directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_are_printed_and_a_mesh_works_with_them() {
    within(async {
        let new = Cli::new(&["key", "new"]).run().await.ok();
        assert_eq!(new.stdout.lines().count(), 2, "{new:#?}");
        let public = value(&new.stdout, "MESH_PUBLIC_KEY");
        let private = value(&new.stdout, "MESH_PRIVATE_KEY");
        assert!(public.starts_with("mesh-"), "{public}");
        assert!(private.starts_with("meshkey1-"));
        let mesh = Mesh::with_keys(public, private).await;
        let _gateway = mesh.node(v1::Gateway::node(), "g1").await;
        let nodes = mesh.cli(&["nodes"]).run().await.ok();
        assert!(nodes.line("Gateway").contains("g1"));

        let named = Cli::new(&["key", "new", "--name", "shop", "--json"]);
        let named = named.run().await.ok().json();
        assert_eq!(named["public_key"], "shop");
        let again = named["private_key"].as_str().expect("a text");
        assert!(again.starts_with("meshkey1-"));
        assert_ne!(again, private);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_with_new_keys_is_written_once_and_is_private() {
    within(async {
        let directory = TempDir::new().expect("a directory for temporary files");
        let new = [
            "key",
            "new",
            "--name",
            "shop",
            "--profile",
            "shop",
            "--master",
            "10.0.0.1:7000",
        ];
        let new = config(directory.path(), &new);
        let written = new.clone().run().await.ok();
        let file = directory.path().join("mesh/shop.toml");
        let written = written.says(&file.display().to_string());
        assert!(!written.stdout.contains("meshkey1-"), "{written:#?}");
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&file).expect("a text");
        assert_eq!(value(&text, "public_key"), "shop");
        assert_eq!(value(&text, "master"), "10.0.0.1:7000");

        let again = new.run().await.ends_with(1);
        again.tells("exists already");
        let unchanged = fs::read_to_string(&file).expect("a text");
        assert_eq!(unchanged, text);

        let mesh = Mesh::with_keys("shop", value(&text, "private_key")).await;
        let master = mesh.master.addr().to_string();
        let schema = ["--profile", "shop", "--master", &master, "schema"];
        let schema = config(directory.path(), &schema).run().await.ok();
        schema.says("mesh Shop;");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    within(async {
        let master = ["key", "new", "--master", "10.0.0.1:7000"];
        let master = Cli::new(&master).run().await.ends_with(2);
        master.tells("--master is of no use without --profile");
        let name = Cli::new(&["key", "new", "--name", ""]).run().await;
        name.ends_with(2).tells("--name is empty");
        let directory = TempDir::new().expect("a directory for temporary files");
        let outside = ["key", "new", "--profile", "../shop"];
        let outside = config(directory.path(), &outside).run().await;
        outside.ends_with(2).tells("is no name of a profile");
    })
    .await;
}
