//! What the tests of this package share: one small mesh, a handler that tells the test what it is asked, a Redis of
//! their own, and a limit on how long a test may take. Knows nothing of any single test.

mod planted;
mod port;
mod redis;
mod schema;
mod stage;

use std::{future::Future, time::Duration};

use mesh_runtime::{Event, Events};

pub use planted::{Defect, Planted};
pub use port::HeldPort;
pub use redis::RedisServer;
pub use schema::*;
pub use stage::{Heard, Hearing, Stage};

/// How long a test may take. Far more than any needs: it is there so that nothing hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a test, or fails it after 30 s.
pub async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, Box::pin(test))
        .await
        .expect("the test takes longer than 30 s: it waits for something that does not happen")
}

/// The first event that is `wanted`, and what that says of it. Those before it are passed over.
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
