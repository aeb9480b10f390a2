//! The mesh of these tests: `Front` dials `Back`, `Back` dials its own kind and `Ledger`.

use mesh_runtime::mesh_schema;

mesh_schema! {
    /// The mesh of these tests.
    pub mesh Parity;

    /// Dials `Back`, and `Back` calls it over the same link.
    node Front {
        allow: [];
        connect: [Back];

        /// Returns the instance id.
        balanced fn front_name() -> String;

        /// Returns the instance id, on each instance.
        broadcast fn front_names() -> String;

        /// Reports its argument to the test.
        queued balanced fn front_job(text: String);
    }

    /// Also links to its own kind.
    node Back {
        allow: [Front, Back];
        connect: [Back, Ledger];

        /// Returns the instance id.
        balanced fn name() -> String;

        /// Reports its argument to the test, and returns nothing.
        balanced fn take(text: String);

        /// Returns the instance id, on each instance.
        broadcast fn names() -> String;

        /// Reports its argument to the test, on each instance, without a reply.
        broadcast fn hint(text: String);

        /// Waits at the gate, then reports its argument to the test.
        queued balanced fn job(text: String);

        /// Waits at the gate, then reports its argument to the test; on each instance.
        queued broadcast fn jobs(text: String);

        /// Reports its argument, waits at the gate, then returns the instance id. If the handler is dropped, that is
        /// reported too.
        balanced fn wait(text: String) -> String;

        /// The same, and may run twice.
        #[idempotent]
        balanced fn wait_again(text: String) -> String;

        /// The same, with its own timeout.
        #[timeout = "200ms"]
        balanced fn hurry(text: String) -> String;

        /// The same, on each instance.
        broadcast fn waits(text: String) -> String;

        /// The same, one at a time.
        #[concurrency = 1]
        balanced fn alone(text: String) -> String;

        /// Returns the instance id, always the same for a key.
        #[key = key]
        balanced fn sticky(key: String) -> String;

        /// Returns the instance id, but only to callers of type `Back`.
        #[allow(Back)]
        balanced fn among_us() -> String;

        /// Panics with this text.
        balanced fn fall(text: String) -> String;

        /// Calls `Ledger` with its argument and a timeout of a minute, and returns the id of the called instance.
        balanced fn record(text: String) -> String;
    }

    /// Is called by the handlers of `Back`.
    node Ledger {
        allow: [Back];
        connect: [];

        /// Reports its argument to the test, waits at the gate, then returns the instance id.
        balanced fn write(text: String) -> String;
    }
}
