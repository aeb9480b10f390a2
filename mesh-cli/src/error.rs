//! What goes wrong, as the user is told: what, how to fix it, and the exit code.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use mesh_runtime::{CloseCode, Refusal, operator::OperatorError};

use crate::output::plain_lines;

pub(crate) type Result<T> = std::result::Result<T, CliError>;

/// The mesh says no, or nothing was found.
const REFUSED: u8 = 1;
/// Wrong usage.
const USAGE: u8 = 2;
/// Nobody could be reached, or the keys were refused.
const UNREACHABLE: u8 = 3;

/// Where keys come from.
const KEYS_HINT: &str = "the keys come from MESH_PUBLIC_KEY (or --public-key) and MESH_PRIVATE_KEY, or from a profile \
                         (--profile); they must be those of the mesh";

/// What may help if nobody is reached at the master's address.
const MASTER_HINT: &str = "does it run, is the address right, and is the port open from here? --master HOST:PORT, \
                           MESH_MASTER or a profile give the master's address; a host alone is asked at its discovery \
                           port";

/// What may help if there is no room for one more operator.
const FULL_HINT: &str = "other operators are connected there: try again later";

/// Why the command ends without having done what was asked.
#[derive(Debug)]
pub(crate) struct CliError {
    what: String,
    hint: Option<String>,
    exit: u8,
}

impl CliError {
    /// The mesh says no, or nothing was found. Exit code 1.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self::with_exit(what, REFUSED)
    }

    /// What was asked for makes no sense. Exit code 2.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::with_exit(what, USAGE)
    }

    /// Nobody could be reached, or the keys were refused. Exit code 3.
    pub(crate) fn unreachable(what: impl Into<String>) -> Self {
        Self::with_exit(what, UNREACHABLE)
    }

    /// An error of a node that the master lists. What may help is about its own address.
    pub(crate) fn of_node(name: &str, error: OperatorError) -> Self {
        match error {
            OperatorError::Unreachable { ref why, .. } if !is_full(why) => {
                Self::unreachable(chain(&error)).hint(format!(
                    "{name} has told the master this address: does it run there, and is the port open from here? \
                     `mesh nodes` shows the addresses of all"
                ))
            }
            error => error.into(),
        }
    }

    /// Everything that is to say has been said.
    pub(crate) fn silent(exit: u8) -> Self {
        Self::with_exit("", exit)
    }

    /// How to fix it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What went wrong, in one text.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    fn with_exit(what: impl Into<String>, exit: u8) -> Self {
        Self {
            what: what.into(),
            hint: None,
            exit,
        }
    }

    /// Tells the user, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.what.is_empty() {
            // If nobody reads the errors, there is nobody to tell.
            let _ = writeln!(io::stderr(), "{self}");
        }
        ExitCode::from(self.exit)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", plain_lines(&self.what))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {}", plain_lines(hint)),
            None => Ok(()),
        }
    }
}

/// An error with its causes, each after a colon. A cause that the text before it ends with is not repeated.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

impl From<OperatorError> for CliError {
    fn from(error: OperatorError) -> Self {
        let what = chain(&error);
        match error {
            OperatorError::Keys(_) => Self::usage(what).hint(KEYS_HINT),
            OperatorError::Unreachable { why, .. } => {
                Self::unreachable(what).hint(if is_full(&why) {
                    FULL_HINT
                } else {
                    MASTER_HINT
                })
            }
            OperatorError::Refused { refusal, .. } => refused(what, refusal),
            OperatorError::DeadlineExceeded { .. } => {
                Self::new(what).hint("--timeout DURATION waits longer")
            }
            OperatorError::Denied { .. } => Self::new(what).hint("leave out --observer"),
            OperatorError::DeclaredOtherwise { .. } => Self::new(what).hint(
                "the node runs another version of the program: `mesh schema --of INSTANCE` shows what it declares",
            ),
            OperatorError::Json { .. } => {
                Self::new(what).hint("`mesh schema` shows the commands and their types")
            }
            OperatorError::Answer { .. } => {
                Self::new(what).hint("the other side may run a version that this one does not understand")
            }
            _ => Self::new(what),
        }
    }
}

/// Whether a link was closed because there is no room for one more operator.
fn is_full(why: &str) -> bool {
    why.ends_with(&CloseCode::Full.to_string())
}

fn refused(what: String, refusal: Refusal) -> CliError {
    let error = CliError::unreachable(what);
    match refusal {
        Refusal::WrongKey => error.hint(KEYS_HINT),
        Refusal::WrongTarget => error
            .hint("another node took the address: the list of the master may be old, so try again"),
        Refusal::Role | Refusal::HandshakeKind => {
            error.hint("the other side runs a version that has no operators")
        }
        _ => error,
    }
}

/// Errors of the terminal. Whoever closes our output early, as `head` does, has seen enough.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(0);
        }
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mesh_runtime::CloseReason;

    use super::*;

    fn of(error: OperatorError) -> CliError {
        CliError::from(error)
    }

    #[test]
    fn each_kind_has_its_exit_code() {
        let unreachable = of(OperatorError::Unreachable {
            addr: "h:1".to_owned(),
            why: "refused".to_owned(),
        });
        assert_eq!(unreachable.exit, 3);
        let wrong_key = of(OperatorError::Refused {
            addr: "h:1".to_owned(),
            refusal: Refusal::WrongKey,
        });
        assert_eq!(wrong_key.exit, 3);
        assert!(wrong_key.hint.unwrap().contains("MESH_PRIVATE_KEY"));
        let late = of(OperatorError::DeadlineExceeded {
            command: "stats".to_owned(),
            after: Duration::from_secs(5),
        });
        assert_eq!(late.exit, 1);
        assert_eq!(late.what, "no answer of `stats` within 5s");
    }

    #[test]
    fn hints_are_about_who_was_not_reached() {
        let unreachable = |why: &str| OperatorError::Unreachable {
            addr: "h:1".to_owned(),
            why: why.to_owned(),
        };
        let master = of(unreachable("refused"));
        assert_eq!(master.hint.as_deref(), Some(MASTER_HINT));
        let node = CliError::of_node("Billing/b1", unreachable("refused"));
        assert_eq!(
            (node.exit, node.what()),
            (3, "h:1 could not be reached: refused")
        );
        let hint = node.hint.unwrap();
        assert!(
            hint.contains("Billing/b1") && !hint.contains("--master"),
            "{hint}"
        );
        let full = CloseReason::Goodbye(CloseCode::Full);
        let full = || unreachable(&format!("it closed the link: {full}"));
        for error in [of(full()), CliError::of_node("Billing/b1", full())] {
            assert_eq!((error.exit, error.hint.as_deref()), (3, Some(FULL_HINT)));
        }
    }

    #[test]
    fn an_error_is_told_with_its_hint_and_without_control_characters() {
        let error = CliError::new("a\x1b[2J is gone").hint("look again");
        assert_eq!(
            error.to_string(),
            "error: a\u{fffd}[2J is gone\nhint: look again"
        );
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let closed = CliError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((closed.what(), closed.exit), ("", 0));
        let full = CliError::from(io::Error::other("disk full"));
        assert_eq!((full.what(), full.exit), ("disk full", 1));
    }

    #[derive(Debug)]
    struct Outer(io::Error, &'static str);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.1)
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn causes_are_joined_once() {
        let cause = || io::Error::other("no route");
        assert_eq!(chain(&Outer(cause(), "failed")), "failed: no route");
        assert_eq!(
            chain(&Outer(cause(), "failed: no route")),
            "failed: no route"
        );
    }
}
