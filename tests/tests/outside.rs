//! What users do outside of this workspace: they follow the first chapter of the guide to the letter, and begin with the
//! starter. Both build against the packaged crates, as they are published, and not by path.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use mesh_tests::{root, signal_group};

const CHAPTER: &str = include_str!("../../docs/guide/src/first-mesh.md");

/// Where everything here is built. Both tests share what they build.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside")
}

fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells a test about itself is not for another workspace.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG") || name.starts_with("MESH_") {
            cargo.env_remove(variable);
        }
    }
    cargo
}

fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// An empty folder outside of every workspace, in which dependencies on these crates are taken from their packages.
/// While it lives, the other test waits.
struct Outside {
    folder: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Outside {
    fn new(name: &str) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let packages = packages();
        let folder = std::env::temp_dir().join(format!("mesh-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join(".cargo")).unwrap();
        let patch = |name: &str| {
            let path = packages.join(format!("{name}-{}", env!("CARGO_PKG_VERSION")));
            format!("{name} = {{ path = {path:?} }}\n")
        };
        let config = format!(
            "[patch.crates-io]\n{}{}\n[build]\ntarget-dir = {:?}\n",
            patch("mesh-macros"),
            patch("mesh-runtime"),
            target().join("build")
        );
        fs::write(folder.join(".cargo/config.toml"), config).unwrap();
        Self {
            folder,
            _alone: alone,
        }
    }

    /// Pins the dependencies to the versions that are tested here.
    fn pin(&self, at: &Path) {
        fs::copy(
            root().join("Cargo.lock"),
            self.folder.join(at).join("Cargo.lock"),
        )
        .unwrap();
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Packages the crates, and unpacks them.
fn packages() -> PathBuf {
    let target = target();
    succeeds(
        cargo()
            .current_dir(root())
            .args(["package", "--quiet", "--no-verify", "--allow-dirty"])
            .args(["-p", "mesh-macros", "-p", "mesh-runtime", "--target-dir"])
            .arg(&target),
    );
    let unpacked = target.join("unpacked");
    fs::create_dir_all(&unpacked).unwrap();
    for name in ["mesh-macros", "mesh-runtime"] {
        let archive = format!("{name}-{}.crate", env!("CARGO_PKG_VERSION"));
        let archive = target.join("package").join(archive);
        // Files keep the time at which they were changed, so that what has not changed is not built again.
        succeeds(
            Command::new("tar")
                .arg("xzf")
                .arg(archive)
                .arg("-C")
                .arg(&unpacked),
        );
    }
    unpacked
}

/// One step of the chapter.
#[derive(Debug)]
enum Step<'a> {
    /// Writes a file.
    File { path: &'a str, text: &'a str },
    /// Runs commands.
    Run(&'a str),
    /// Starts a command that goes on.
    Start(&'a str),
    /// What the last command has printed at its end.
    Printed(&'a str),
}

fn steps(chapter: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let (mut file, mut output) = (None, false);
    let mut rest = chapter;
    while let Some((line, after)) = rest.split_once('\n') {
        rest = after;
        if let Some(path) = line.strip_prefix("<!-- file: ") {
            file = Some(path.strip_suffix(" -->").unwrap());
        } else if line == "<!-- output -->" {
            output = true;
        } else if let Some(kind) = line.strip_prefix("```") {
            let (block, after) = rest.split_once("\n```\n").unwrap();
            rest = after;
            match (file.take(), kind) {
                (Some(path), _) => steps.push(Step::File { path, text: block }),
                (None, "sh") => steps.push(Step::Run(block)),
                (None, "sh,background") => steps.push(Step::Start(block)),
                (None, "text") if output => steps.push(Step::Printed(block)),
                (None, "mermaid") => {}
                (None, kind) => panic!("the chapter has a block of kind `{kind}`:\n{block}"),
            }
            output = false;
        }
    }
    steps
}

/// Commands that go on in the background, until this is dropped.
struct Background(Vec<Child>);

impl Background {
    fn start(&mut self, command: &mut Command) {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        self.0.push(command.process_group(0).spawn().unwrap());
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Each is a group, of a shell or cargo and the program.
            signal_group(child.id(), "TERM");
            let _ = child.wait();
        }
    }
}

/// A shell that runs a line in a folder, with this cargo.
fn shell(folder: &Path, line: &str) -> Command {
    let mut shell = Command::new("sh");
    let cargo = cargo();
    let bin = Path::new(cargo.get_program()).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    for (name, value) in cargo.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
        .env("PATH", format!("{}:{path}", bin.display()))
        .current_dir(folder)
        .args(["-c", line]);
    shell
}

#[test]
fn the_first_chapter_leads_to_a_mesh_that_runs() {
    let outside = Outside::new("chapter");
    let mut folder = outside.folder.clone();
    let mut background = Background(Vec::new());
    let mut printed = String::new();
    for step in steps(CHAPTER) {
        match step {
            Step::File { path, text } => {
                fs::write(folder.join(path), format!("{text}\n")).unwrap();
                if path == "Cargo.toml" {
                    outside.pin(&folder);
                }
            }
            Step::Run(lines) => {
                for line in lines.lines() {
                    if let Some(into) = line.strip_prefix("cd ") {
                        folder.push(into);
                        continue;
                    }
                    let output = succeeds(&mut shell(&folder, line));
                    printed = String::from_utf8(output.stdout).unwrap();
                }
            }
            Step::Start(line) => {
                background.start(&mut shell(&folder, line));
            }
            Step::Printed(expected) => assert!(
                printed.ends_with(&format!("{expected}\n")),
                "the chapter says that this is printed:\n{expected}\nand this is:\n{printed}"
            ),
        }
    }
    assert_eq!(
        background.0.len(),
        3,
        "the chapter ends with three processes"
    );
}

#[test]
fn the_starter_is_built_tested_and_run() {
    let outside = Outside::new("starter");
    let starter = root().join("examples/starter");
    succeeds(
        Command::new("cp")
            .arg("-r")
            .arg(starter)
            .arg(&outside.folder),
    );
    let folder = outside.folder.join("starter");
    outside.pin(Path::new("starter"));
    succeeds(
        cargo()
            .current_dir(&folder)
            .args(["test", "--quiet", "--workspace"]),
    );
    succeeds(
        cargo()
            .current_dir(&folder)
            .args(["build", "--quiet", "--workspace"]),
    );
    let program = |name: &str, bind: &str| {
        let mut program = Command::new(target().join("build/debug").join(name));
        program
            .env("MESH_PUBLIC_KEY", "starter")
            .env("MESH_PRIVATE_KEY", "hush-hush")
            .env("MESH_MASTER", "127.0.0.1:7412")
            .env("MESH_BIND", bind);
        program
    };
    let mut background = Background(Vec::new());
    for (name, bind) in [("master", "127.0.0.1:7412"), ("greeter", "127.0.0.1")] {
        background.start(&mut program(name, bind));
    }
    let output = succeeds(program("web", "127.0.0.1").args(["Ada", "Bob"]));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "Hello, Ada!\nHello, Bob!\n"
    );
}
