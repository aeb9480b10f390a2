//! Whether `--timeout` was given. It is an option of all commands and has a default there; a call has its own default,
//! which is the timeout of its command.

use std::time::Duration;

use clap::{ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use mesh_runtime::schema::{CommandDescription, DEFAULT_TIMEOUT};

/// The name of the global option.
const OPTION: &str = "timeout";

/// The timeout that was given for calls.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GivenTimeout(Option<Duration>);

impl GivenTimeout {
    /// How long a call may take: as given, else as the command says.
    pub(crate) fn of(self, command: &CommandDescription) -> Duration {
        let declared = command.options.timeout_ms.map(Duration::from_millis);
        self.0.or(declared).unwrap_or(DEFAULT_TIMEOUT)
    }
}

/// Adds no option of its own.
impl Args for GivenTimeout {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for GivenTimeout {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_given = matches.value_source(OPTION) == Some(ValueSource::CommandLine);
        let timeout = matches.get_one::<Duration>(OPTION).copied();
        Ok(Self(timeout.filter(|_| is_given)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::cli::{self, Cli};

    fn command(options: serde_json::Value) -> CommandDescription {
        serde_json::from_value(json!({
            "name": "charge", "id": "0x00000400", "fingerprint": "0x1", "wire_fingerprint": "0x1",
            "delivery": "balanced", "args": [], "options": options,
        }))
        .unwrap()
    }

    fn given(words: &[&str]) -> GivenTimeout {
        match Cli::try_parse_from(words).unwrap().command {
            cli::Command::Call(args) => args.timeout,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_option_comes_before_the_command_and_that_before_the_default() {
        let (plain, patient) = (command(json!({})), command(json!({"timeout_ms": 60_000})));
        let none = given(&["mesh", "call", "Billing.charge"]);
        assert_eq!(none.of(&plain), Duration::from_secs(3));
        assert_eq!(none.of(&patient), Duration::from_secs(60));
        for words in [
            ["mesh", "call", "Billing.charge", "--timeout", "9s"],
            ["mesh", "--timeout", "9s", "call", "Billing.charge"],
        ] {
            assert_eq!(given(&words).of(&patient), Duration::from_secs(9));
        }
    }
}
