//! What tests need that play a node by hand.

use mesh_runtime::testing::raw::RawPeer;
use mesh_tests::Parity;

/// The id of a command.
pub(crate) fn command(node_type: &str, name: &str) -> u32 {
    let spec = Parity::SCHEMA.node(node_type).unwrap();
    let mut commands = spec.commands.iter();
    commands.find(|command| command.name == name).unwrap().id
}

/// The next reply, as text.
pub(crate) async fn reply(peer: &mut RawPeer) -> String {
    frame(peer, "Reply").await
}

/// The next control message, as text.
pub(crate) async fn control(peer: &mut RawPeer) -> String {
    frame(peer, "Control").await
}

/// The next frame of that kind, as text.
async fn frame(peer: &mut RawPeer, kind: &str) -> String {
    loop {
        for frame in peer.receive().await.unwrap() {
            if frame.starts_with(kind) {
                return frame;
            }
        }
    }
}
