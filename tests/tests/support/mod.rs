//! What the fault and load tests share: a small mesh, a proxy in the middle of a connection, the parsing of WebSocket
//! traffic, and the log. Knows nothing of any single test.

#![allow(dead_code, reason = "each test binary uses its part of it")]

pub(crate) mod factory;
pub(crate) mod hard;
pub(crate) mod log;
pub(crate) mod proxy;
pub(crate) mod websocket;

use std::time::Duration;

use mesh_runtime::{Event, Events, NodeId};

/// Longer than any test takes: a test that takes this long hangs.
const NEVER: Duration = Duration::from_secs(60);

/// Fails a test that hangs.
pub(crate) async fn within<T>(test: impl Future<Output = T>) -> T {
    match tokio::time::timeout(NEVER, test).await {
        Ok(done) => done,
        Err(_) => panic!("the test hung for {NEVER:?}"),
    }
}

/// Skips events until `interest` returns a value.
pub(crate) async fn event<T>(events: &mut Events, mut want: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        let event = events.next().await.expect("the node is there");
        if let Some(wanted) = want(event) {
            return wanted;
        }
    }
}

/// Waits until a link to `peer` comes up.
pub(crate) async fn connection(events: &mut Events, peer: &NodeId) {
    event(events, |event| match event {
        Event::LinkUp { peer: up } => (up == *peer).then_some(()),
        _ => None,
    })
    .await;
}

/// Waits until the link to `peer` is gone, and returns the reason.
pub(crate) async fn disconnection(events: &mut Events, peer: &NodeId) -> mesh_runtime::CloseReason {
    event(events, |event| match event {
        Event::LinkDown { peer: gone, reason } => (gone == *peer).then_some(reason),
        _ => None,
    })
    .await
}
