//! What every command knows besides its own arguments.

use crate::{connection::Connection, error::Result, fleet::Fleet};

/// The global options.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) connection: Connection,
    /// Print JSON instead of text.
    pub(crate) json: bool,
    /// Ask for no confirmation.
    pub(crate) yes: bool,
}

impl Context {
    /// Connects to the master.
    pub(crate) async fn fleet(&self) -> Result<Fleet> {
        Fleet::connect(&self.connection).await
    }
}
