//! Profiles: files from which the address and the keys of a mesh come.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use mesh_runtime::Keys;

use crate::support::{Cli, Mesh, within};

/// Writes a profile of this mesh, with this mode.
fn write(mesh: &Mesh, name: &str, mode: u32) -> PathBuf {
    let directory = mesh.config().join("mesh");
    fs::create_dir_all(&directory).expect("a directory in a fresh one");
    let file = directory.join(format!("{name}.toml"));
    let text = format!(
        "master = \"{}\"\npublic_key = \"{}\"\nprivate_key = \"{}\"\n",
        mesh.master.addr(),
        mesh.keys.public(),
        mesh.private
    );
    fs::write(&file, text).expect("a file in a fresh directory");
    fs::set_permissions(&file, Permissions::from_mode(mode)).expect("its owner");
    file
}

/// The command with nothing but the profiles of this mesh.
fn cli(mesh: &Mesh, args: &[&str]) -> Cli {
    Cli::new(args).env("XDG_CONFIG_HOME", mesh.config())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_others_can_read_is_refused() {
    within(async {
        let mesh = Mesh::start().await;
        let file = write(&mesh, "shop", 0o644);
        let schema = ["--profile", "shop", "schema"];
        let refused = cli(&mesh, &schema).run().await.ends_with(2);
        refused
            .tells("others can read or write it (mode 644)")
            .tells(&format!("chmod 600 {}", file.display()));
        write(&mesh, "shop", 0o600);
        cli(&mesh, &schema).run().await.ok().says("mesh Shop;");
        let by_variable = cli(&mesh, &["schema"]).env("MESH_PROFILE", "shop");
        by_variable.run().await.ok().says("mesh Shop;");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_default_is_used_if_none_is_named() {
    within(async {
        let mesh = Mesh::start().await;
        let without = cli(&mesh, &["schema"]).run().await.ends_with(2);
        without.tells("no public key is given");
        write(&mesh, "default", 0o600);
        cli(&mesh, &["schema"]).run().await.ok().says("mesh Shop;");
        let missing = cli(&mesh, &["--profile", "shop", "schema"]);
        let missing = missing.run().await.ends_with(2);
        missing
            .tells("there is no profile `shop`")
            .tells("mesh key new --profile shop");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_comes_before_the_profile() {
    within(async {
        let mesh = Mesh::start().await;
        write(&mesh, "default", 0o600);
        let other = cli(&mesh, &["schema"]).env("MESH_PRIVATE_KEY", Keys::generate());
        let refused = other.run().await.ends_with(3);
        refused.tells("the keys do not match");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_profile_is_told_without_what_is_in_it() {
    within(async {
        let mesh = Mesh::start().await;
        let file = write(&mesh, "default", 0o600);
        let mut text = fs::read_to_string(&file).expect("a text");
        text.push_str("privat_key = \"hush\"\n");
        fs::write(&file, text).expect("its owner");
        let refused = cli(&mesh, &["schema"]).run().await.ends_with(2);
        let refused = refused.tells("default.toml: line ").tells("privat_key");
        for secret in ["hush", &*mesh.private] {
            assert!(!refused.stderr.contains(secret), "{secret}");
        }
    })
    .await;
}
