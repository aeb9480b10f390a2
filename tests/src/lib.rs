//! What the tests of this package share: one small mesh, a handler that reports to the test what it is called with, a
//! Redis server per test, and a time limit for tests. Knows nothing of any single test.

#[cfg(doctest)]
mod guide;
mod http;
mod planted;
mod port;
mod redis;
mod schema;
mod stage;

use std::{future::Future, net::SocketAddr, path::Path, process::Command, time::Duration};

use mesh_runtime::{Event, Events, Keys, Node, NodeBuilder, NodeType};

pub use http::http;
pub use planted::{Defect, Planted};
pub use port::HeldPort;
pub use redis::RedisServer;
pub use schema::*;
pub use stage::{Heard, Hearing, Stage};

/// How long a test may take. Far more than any test needs: it only ends tests that hang.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a test, or fails it after 30 s.
pub async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, Box::pin(test))
        .await
        .expect("the test takes longer than 30 s: it waits for something that does not happen")
}

/// The folder of the workspace.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("this package is in a folder of it")
}

/// Starts a node in a mesh that may have been started with another version of its schema.
pub async fn start_at<N: NodeType>(
    builder: NodeBuilder<N>,
    keys: &Keys,
    master: SocketAddr,
) -> Node<N> {
    let builder = builder.keys(keys).master(master).bind("127.0.0.1:0");
    builder.start().await.expect("the master takes the node in")
}

/// Sends a signal, such as `STOP`, to a process.
///
/// # Panics
/// If there is no such process.
pub fn signal(pid: u32, signal: &str) {
    kill(signal, &pid.to_string());
}

/// Sends a signal to all processes of a group.
///
/// # Panics
/// If there is no such group.
pub fn signal_group(pid: u32, signal: &str) {
    kill(signal, &format!("-{pid}"));
}

fn kill(signal: &str, whom: &str) {
    // The shell's own `kill`: the program may not be installed.
    let kill = format!("kill -s {signal} -- {whom}");
    let done = Command::new("sh").args(["-c", &kill]).status();
    assert!(done.expect("sh runs").success(), "{kill}");
}

/// Waits for the first event for which `wanted` returns a value, and returns that value. Skips the events before it.
pub async fn event<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        let event = events
            .next()
            .await
            .expect("the node ended before the event came");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}
