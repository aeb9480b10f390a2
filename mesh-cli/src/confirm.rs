//! Asks before something is changed.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use crate::{
    error::{CliError, Result},
    output::plain,
};

/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 1024;

/// Asks on the terminal, unless `yes` says that the answer is known.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(CliError::usage(
            "this needs a confirmation, and there is no terminal to ask on",
        )
        .hint("add --yes if it is to be done"));
    }
    let mut terminal = io::stderr().lock();
    write!(terminal, "{} [y/N] ", plain(question))?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().lock().take(MAX_ANSWER).read_line(&mut answer)?;
    if is_yes(&answer) {
        return Ok(());
    }
    Err(CliError::new("not confirmed: nothing was done"))
}

fn is_yes(answer: &str) -> bool {
    let answer = answer.trim();
    answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_counts() {
        for yes in ["y", "Y\n", " yes \r\n", "YES"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n", "no", "yesterday", "yy"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }

    #[test]
    fn with_yes_nobody_is_asked() {
        assert!(confirm("delete everything?", true).is_ok());
    }
}
