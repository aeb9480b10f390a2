//! The command works with any mesh: of this workspace, it depends on the runtime alone.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

/// The packages of this workspace.
fn packages() -> Vec<Value> {
    let metadata = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(metadata.status.success(), "{metadata:?}");
    let mut metadata: Value = serde_json::from_slice(&metadata.stdout).expect("JSON");
    match metadata["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("{other} are no packages"),
    }
}

#[test]
fn of_this_workspace_the_command_depends_on_the_runtime_alone() {
    let packages = packages();
    let name = |package: &Value| package["name"].as_str().expect("a name").to_owned();
    let members: BTreeSet<String> = packages.iter().map(name).collect();
    let mut packages = packages.iter();
    let command = packages.find(|package| package["name"] == "mesh-cli");
    let dependencies = &command.expect("this package")["dependencies"];
    let dependencies = dependencies.as_array().expect("a list").iter();
    let of_workspace: Vec<String> = dependencies
        .filter(|dependency| dependency["kind"].is_null())
        .map(name)
        .filter(|name| members.contains(name))
        .collect();
    assert_eq!(of_workspace, ["mesh-runtime"]);
}
