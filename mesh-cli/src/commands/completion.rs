//! `mesh completion`: the script that makes a shell complete this command.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, ValueEnum};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use crate::{context::Context, error::Result, output};

/// The variable by which a shell asks for completions. `main` looks at it first.
const VARIABLE: &str = "COMPLETE";

/// The name of the command.
const NAME: &str = "mesh";

/// Prints the script that makes a shell complete this command.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  source <(mesh completion bash)                                      in ~/.bashrc
  source <(mesh completion zsh)                                       in ~/.zshrc, after compinit
  mesh completion fish | source                                       in ~/.config/fish/config.fish

Names of nodes, types and commands come from the running mesh: the one that the environment or a profile says.
If it does not answer within 1 s, they are not offered.")]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) async fn run(args: CompletionArgs, _: &Context) -> Result<()> {
    output::print(&script(args.shell, &this_program())?)
}

fn script(shell: Shell, program: &str) -> Result<String> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let mut script: Vec<u8> = Vec::new();
    completer.write_registration(VARIABLE, NAME, NAME, program, &mut script)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// How the script calls this program: by its name if it was found by that, else by its path.
fn this_program() -> String {
    let called = std::env::args_os().next();
    let called = PathBuf::from(called.unwrap_or_else(|| OsString::from(NAME)));
    let is_path = called.components().count() > 1;
    let program = match std::env::current_dir() {
        Ok(directory) if is_path => directory.join(called),
        _ => called,
    };
    program.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_gets_a_script_that_calls_this_program() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell, "/opt/mesh").unwrap();
            assert!(script.contains("/opt/mesh"), "{script}");
            assert!(script.contains(VARIABLE), "{script}");
        }
    }
}
