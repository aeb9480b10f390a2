//! What the tests of the command share: two versions of one mesh, its nodes, and ways to run the command. Knows nothing
//! of any single test.

mod desk;
mod mesh;
mod orders;
mod port;
mod process;
mod redis;
mod run;
mod terminal;
pub(crate) mod types;
pub(crate) mod v1;
pub(crate) mod v2;

use std::{process::Command, time::Duration};

pub(crate) use desk::{Desk, GHOST, Hearing, NOBODY, SLOW};
pub(crate) use mesh::{Mesh, Trio};
pub(crate) use orders::{args, later_args, order};
pub(crate) use port::HeldPort;
pub(crate) use process::NodeProcess;
pub(crate) use redis::RedisServer;
pub(crate) use run::{Cli, Done};
pub(crate) use terminal::Terminal;

/// How long a test may take. Far more than any test needs: it only ends tests that hang.
const LIMIT: Duration = Duration::from_secs(120);
/// The polling interval while waiting for a condition.
const PAUSE: Duration = Duration::from_millis(10);
/// Longer than any test lasts.
pub(crate) const LONG: Duration = Duration::from_secs(3_600);

/// Fails a test that hangs.
pub(crate) async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, Box::pin(test))
        .await
        .expect("the test waits for something that does not happen")
}

/// Waits until a condition is true of which no event tells.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    while !is_so().await {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sends a signal, such as `STOP`, to a process.
fn signal(pid: u32, signal: &str) {
    // The shell's own `kill`: the program may not be installed.
    let kill = format!("kill -s {signal} {pid}");
    let done = Command::new("sh").args(["-c", &kill]).status();
    assert!(done.expect("sh runs").success(), "{kill}");
}

/// Whether a terminal shows the text as it is: no control characters but line breaks, and none that turn the direction
/// of writing.
pub(crate) fn is_harmless(text: &str) -> bool {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .all(|c| c == '\n' || !(c.is_control() || turns(c)))
}
