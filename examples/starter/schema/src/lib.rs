//! What all services share: the node types, who may call whom, and the commands with their types.

use mesh_runtime::mesh_schema;
use serde::{Deserialize, Serialize};

/// A greeting, and who greets.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Greeting {
    pub text: String,
    pub from: String,
}

mesh_schema! {
    /// The mesh of these services.
    pub mesh Starter;

    /// The edge: calls others, offers nothing.
    node Web { connect: [Greeter]; }

    /// Greets.
    node Greeter {
        allow: [Web];

        /// Greets somebody, on one instance.
        balanced fn greet(name: String) -> Greeting;

        /// How many greetings each instance has given.
        broadcast fn greeted() -> u64;

        /// Sends a mail, later.
        queued balanced fn mail(name: String);
    }
}

#[cfg(test)]
mod tests {
    use super::Starter;

    #[test]
    fn everything_in_the_schema_is_of_use() {
        assert_eq!(Starter::SCHEMA.lint(), []);
    }
}
