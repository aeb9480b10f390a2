//! The mesh of these tests: `Front` dials `Back`, `Back` dials its own kind and `Ledger`.

use mesh_runtime::mesh_schema;

mesh_schema! {
    /// The mesh of these tests.
    pub mesh Parity;

    /// Dials `Back`, and is called by it over the same link.
    node Front {
        allow: [];
        connect: [Back];

        /// Answers with the instance id.
        balanced fn front_name() -> String;

        /// Answers with the instance id, on each.
        broadcast fn front_names() -> String;

        /// Is heard.
        queued balanced fn front_job(text: String);
    }

    /// Links also to its own kind.
    node Back {
        allow: [Front, Back];
        connect: [Back, Ledger];

        /// Answers with the instance id.
        balanced fn name() -> String;

        /// Is heard, and has no answer.
        balanced fn take(text: String);

        /// Answers with the instance id, on each.
        broadcast fn names() -> String;

        /// Is heard on each, without an answer.
        broadcast fn hint(text: String);

        /// Passes the gate, then is heard.
        queued balanced fn job(text: String);

        /// Passes the gate, then is heard; on each.
        queued broadcast fn jobs(text: String);

        /// Is heard, passes the gate, then answers with the instance id. Is heard as dropped if it is.
        balanced fn wait(text: String) -> String;

        /// The same, and may run twice.
        #[idempotent]
        balanced fn wait_again(text: String) -> String;

        /// The same, with a deadline of its own.
        #[timeout = "200ms"]
        balanced fn hurry(text: String) -> String;

        /// The same, on each.
        broadcast fn waits(text: String) -> String;

        /// The same, one at a time.
        #[concurrency = 1]
        balanced fn alone(text: String) -> String;

        /// Answers with the instance id, always the same for a key.
        #[key = key]
        balanced fn sticky(key: String) -> String;

        /// Answers with the instance id, but not everybody.
        #[allow(Back)]
        balanced fn among_us() -> String;

        /// Panics with this text.
        balanced fn fall(text: String) -> String;

        /// Has `Ledger` write it, with a minute's time, and answers with the instance that did.
        balanced fn record(text: String) -> String;
    }

    /// Is called by the handlers of `Back`.
    node Ledger {
        allow: [Back];
        connect: [];

        /// Is heard, passes the gate, then answers with the instance id.
        balanced fn write(text: String) -> String;
    }
}
