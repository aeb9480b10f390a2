//! Lines for people and programs. Each is written in one piece: on a terminal that several processes share, partial
//! lines would mix.

use std::io::{self, Write};

use crate::error::ShopError;

/// Writes text to standard output. Fails if nobody can read it.
pub(crate) fn report(text: &str) -> Result<(), ShopError> {
    write(io::stdout().lock(), text).map_err(|source| ShopError::Io {
        what: "cannot write the report",
        source,
    })
}

/// Writes a line to standard output, if anybody reads it: a service works on without a reader.
pub(crate) fn say(line: &str) {
    let _ = write(io::stdout().lock(), line);
}

/// Writes a line to standard error.
pub(crate) fn complain(line: &str) {
    let _ = write(io::stderr().lock(), line);
}

fn write(mut to: impl Write, text: &str) -> io::Result<()> {
    to.write_all(format!("{text}\n").as_bytes())?;
    to.flush()
}
