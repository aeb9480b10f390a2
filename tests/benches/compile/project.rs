//! The workspace in which the two crates are compiled, under the target directory, and the runs of cargo in it. Knows
//! how to build, not what is compared.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use crate::sources::{self, Crate};

/// A generated workspace with both crates.
pub(crate) struct Project {
    root: PathBuf,
}

/// What prevents the comparison.
pub(crate) type Failure = String;

impl Project {
    /// Writes the workspace anew. Its lock file begins as a copy of this workspace's, so that both crates compile with
    /// the versions that are pinned here. Build results of an earlier run are reused.
    pub(crate) fn create(crates: &[&Crate], checkout: &Path) -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile");
        let project = Self { root };
        project
            .write_all(crates, checkout)
            .map_err(|error| format!("cannot write to {}: {error}", project.root.display()))?;
        Ok(project)
    }

    fn write_all(&self, crates: &[&Crate], checkout: &Path) -> io::Result<()> {
        let members: Vec<_> = crates.iter().map(|one| one.name).collect();
        // No profile is given: users have cargo's default for dev builds.
        let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n");
        fs::create_dir_all(&self.root)?;
        fs::write(self.root.join("Cargo.toml"), manifest)?;
        fs::copy(checkout.join("Cargo.lock"), self.root.join("Cargo.lock"))?;
        for one in crates {
            let dir = self.root.join(one.name);
            fs::create_dir_all(dir.join("src"))?;
            let manifest = format!(
                "[package]\nname = {:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
                 serde = {{ version = \"1\", features = [\"derive\"] }}\n\
                 tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n{}",
                one.name, one.dependencies
            );
            fs::write(dir.join("Cargo.toml"), manifest)?;
            fs::write(dir.join("src/types.rs"), sources::types())?;
            fs::write(dir.join("src/schema.rs"), &one.schema)?;
            fs::write(dir.join("src/main.rs"), &one.main)?;
        }
        Ok(())
    }

    /// Builds a crate and its dependencies, and runs it once: timings of a program that does not work are worthless.
    pub(crate) fn prepare(&self, one: &Crate) -> Result<(), Failure> {
        for verb in ["build", "check"] {
            self.run(&mut self.cargo(verb, one, Incremental::Off))
                .map_err(|failure| {
                    format!(
                        "{} cannot be built. If cargo misses crates: they are those of this workspace's Cargo.lock, \
                         and `cargo fetch --locked` downloads them. {failure}",
                        one.name
                    )
                })?;
        }
        let output = self.run(&mut Command::new(
            self.target().join("debug").join(one.name),
        ))?;
        let wanted = format!("called {} methods", sources::COMMANDS);
        match String::from_utf8_lossy(&output.stdout).trim() {
            said if said == wanted => Ok(()),
            said => Err(format!("{} said `{said}`, not `{wanted}`", one.name)),
        }
    }

    /// How long `cargo build` or `cargo check` takes when nothing has changed but this crate.
    pub(crate) fn time(
        &self,
        verb: &str,
        one: &Crate,
        incremental: Incremental,
    ) -> Result<Duration, Failure> {
        // Cargo compares modification times; the text is unchanged.
        let main = self.main_rs(one);
        fs::write(&main, &one.main)
            .map_err(|error| format!("cannot write {}: {error}", main.display()))?;
        self.timed(verb, one, incremental)
    }

    /// How long `cargo build` takes after one line of a handler has changed, with the incremental data of the previous
    /// build. `mark` must be new each time.
    pub(crate) fn time_after_a_change(
        &self,
        one: &Crate,
        mark: usize,
    ) -> Result<Duration, Failure> {
        let text = one.main.replace(
            "const MARK: u64 = 0;",
            &format!("const MARK: u64 = {mark};"),
        );
        let main = self.main_rs(one);
        fs::write(&main, text)
            .map_err(|error| format!("cannot write {}: {error}", main.display()))?;
        self.timed("build", one, Incremental::On)
    }

    fn timed(
        &self,
        verb: &str,
        one: &Crate,
        incremental: Incremental,
    ) -> Result<Duration, Failure> {
        let mut cargo = self.cargo(verb, one, incremental);
        let start = Instant::now();
        self.run(&mut cargo)?;
        Ok(start.elapsed())
    }

    /// The lines of the module `schema`, expanded, as printed by the compiler. Only a nightly compiler prints them, or
    /// one that is told to behave like a nightly.
    pub(crate) fn expanded_lines(&self, one: &Crate) -> Result<usize, Failure> {
        let mut cargo = self.cargo("rustc", one, Incremental::Off);
        cargo
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["--profile", "check", "--", "-Zunpretty=expanded"]);
        let output = self.run(&mut cargo)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = text
            .lines()
            .skip_while(|line| *line != "mod schema {")
            .skip(1)
            .take_while(|line| *line != "}")
            .count();
        match lines {
            0 => Err(format!("{} expands to no module `schema`", one.name)),
            lines => Ok(lines),
        }
    }

    fn cargo(&self, verb: &str, one: &Crate, incremental: Incremental) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(&self.root)
            .args([verb, "--quiet", "--package", one.name, "--target-dir"])
            .arg(self.target())
            .env("CARGO_INCREMENTAL", incremental.value())
            .env("RUSTC_WRAPPER", "")
            .env_remove("CARGO_BUILD_TARGET")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("RUSTFLAGS");
        cargo
    }

    fn run(&self, command: &mut Command) -> Result<Output, Failure> {
        let program = format!("{command:?}");
        let output = command
            .output()
            .map_err(|error| format!("{program} cannot be run: {error}"))?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{program} failed ({}):\n{said}", output.status))
    }

    fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    fn main_rs(&self, one: &Crate) -> PathBuf {
        self.root.join(one.name).join("src/main.rs")
    }
}

/// Whether the compiler keeps incremental data from one build to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Incremental {
    On,
    Off,
}

impl Incremental {
    fn value(self) -> &'static str {
        match self {
            Self::On => "1",
            Self::Off => "0",
        }
    }
}
