//! Peers of an earlier and of a later version of the protocol, by hand.

use mesh_runtime::{
    NodeId, Refusal,
    testing::{
        TestMesh,
        raw::{Claim, RawConnection, RawError, RawPeer},
    },
};
use mesh_tests::{Back, Front, Parity, Stage, within};

use crate::by_hand::{command, control, reply};

/// Entries of two types that no version knows: three bytes, and none.
const UNKNOWN: &[u8] = b"\xfa\x03\0abc\xfb\0\0";

/// Features that no version knows.
const FEATURES: u64 = u64::MAX;

#[tokio::test]
async fn a_peer_of_version_1_is_told_that_the_versions_differ() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        for addr in [mesh.master().addr(), back.addr()] {
            let mut old = RawConnection::open(addr).await.unwrap();
            // The version, a key id, and as much as a first message of Noise is at least.
            let mut message = vec![1];
            message.extend([7; 8 + 48]);
            old.send(message).await.unwrap();
            // In the clear, with the code that says so in version 1 as well.
            assert_eq!(old.receive().await.unwrap(), &[2, 2][..]);
            old.closed().await.unwrap();
        }
        let text = Refusal::Version.to_string();
        assert!(text.contains("another version of the protocol"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_kind_of_handshake_is_refused() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let mut later = RawConnection::open(mesh.master().addr()).await.unwrap();
        let mut message = vec![2, 9];
        message.extend([7; 8 + 48]);
        later.send(message).await.unwrap();
        assert_eq!(later.receive().await.unwrap(), &[2, 12][..]);
    })
    .await;
}

#[tokio::test]
async fn a_role_that_has_no_links_is_refused() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        let to_master = Claim::to_master("Parity", "Front", "by-hand");
        let to_node = Claim::to_node("Parity", "Front", "by-hand", back.id());
        for (addr, claim) in [(mesh.master().addr(), to_master), (back.addr(), to_node)] {
            let dialled = RawPeer::dial(addr, mesh.keys(), &claim.role(200)).await;
            assert!(matches!(dialled, Err(RawError::Refused(Refusal::Role))));
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_of_a_later_version_registers_and_its_calls_are_served() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        let later = |claim: Claim| claim.features(FEATURES).extensions(UNKNOWN);

        let claim = later(Claim::to_master("Parity", "Front", "later"));
        let mut registered = RawPeer::dial(mesh.master().addr(), mesh.keys(), &claim)
            .await
            .unwrap();
        registered.confirm().await.unwrap();
        registered.register("127.0.0.1", 9).await.unwrap();
        control(&mut registered).await;
        let nodes = mesh.master().nodes();
        assert!(
            nodes
                .iter()
                .any(|info| info.id == NodeId::new("Front", "later"))
        );

        let claim = later(Claim::to_node("Parity", "Front", "later", back.id()));
        let mut linked = RawPeer::dial(back.addr(), mesh.keys(), &claim)
            .await
            .unwrap();
        linked.confirm().await.unwrap();
        let take = command("Back", "take");
        linked
            .call_extended(1, take, UNKNOWN, &[1, b'x'])
            .await
            .unwrap();
        let answer = reply(&mut linked).await;
        assert!(answer.contains("status: Ok"), "{answer}");
        // In front of the options of a job, too.
        linked
            .call_extended(2, command("Back", "job"), UNKNOWN, &[0, 0, 1, b'x'])
            .await
            .unwrap();
        let answer = reply(&mut linked).await;
        assert!(answer.contains("status: Ok"), "{answer}");
        // A block in which an entry is not whole breaks the protocol.
        linked
            .call_extended(3, take, &UNKNOWN[..4], &[1, b'x'])
            .await
            .unwrap();
        linked.closed().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_call_without_a_deadline_has_a_day() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        let claim = Claim::to_node("Parity", "Front", "patient", back.id());
        let mut front = RawPeer::dial(back.addr(), mesh.keys(), &claim)
            .await
            .unwrap();
        front.confirm().await.unwrap();
        for (call, deadline_ms) in [(1, 0), (2, u32::MAX)] {
            front
                .call_within(call, command("Back", "take"), deadline_ms, &[1, b'x'])
                .await
                .unwrap();
            let answer = reply(&mut front).await;
            assert!(answer.contains("status: Ok"), "{answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_that_nobody_can_dial_is_in_nobodys_view_and_may_dial_others() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let claim = Claim::to_master("Parity", "Back", "dial-only");
        let mut dial_only = RawPeer::dial(mesh.master().addr(), mesh.keys(), &claim)
            .await
            .unwrap();
        dial_only.confirm().await.unwrap();
        dial_only.register("127.0.0.1", 0).await.unwrap();
        control(&mut dial_only).await;

        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        let back = mesh
            .start_node(Back::node(Stage::quiet()).instance("b"))
            .await
            .unwrap();
        front.ready::<Back>(1).await.unwrap();
        let linked: Vec<_> = front.links().into_iter().map(|link| link.id).collect();
        assert_eq!(linked, [back.id().clone()]);
        assert_eq!(mesh.master().nodes().len(), 3);
    })
    .await;
}
