//! Which peers are refused, and which calls are refused even to admitted peers. Checked on the wire, with hand-written
//! peers that do what the compiler would not allow.

use mesh_runtime::{
    Event, Keys, Node, Refusal, StartError,
    testing::{
        TestMesh,
        raw::{Claim, RawError, RawPeer},
    },
};
use mesh_tests::{Back, Front, Parity, Stage, within};

use crate::by_hand::{command, reply};

fn other_private_key() -> Keys {
    Keys::new("Parity", Keys::generate())
}

fn refusal<T>(outcome: Result<T, RawError>) -> Refusal {
    match outcome {
        Err(RawError::Refused(refusal)) => refusal,
        Err(other) => panic!("not refused: {other}"),
        Ok(_) => panic!("let in"),
    }
}

async fn start_back(mesh: &TestMesh<Parity>) -> Node<Back> {
    let builder = Back::node(Stage::quiet()).instance("b");
    mesh.start_node(builder).await.unwrap()
}

/// A link that was dialled by hand, by a node of that type.
async fn link_by_hand(mesh: &TestMesh<Parity>, node_type: &str, back: &Node<Back>) -> RawPeer {
    let claim = Claim::to_node("Parity", node_type, "by-hand", back.id());
    let mut peer = RawPeer::dial(back.addr(), mesh.keys(), &claim)
        .await
        .unwrap();
    peer.confirm().await.unwrap();
    peer
}

#[tokio::test]
async fn a_node_with_another_private_key_is_refused_by_the_master_and_told_so() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let builder = mesh
            .join(Back::node(Stage::quiet()))
            .keys(&other_private_key());
        let error = builder.start().await.unwrap_err();
        assert!(
            matches!(
                &error,
                StartError::Refused {
                    refusal: Refusal::WrongKey,
                    ..
                }
            ),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(text.contains("the private key differs"), "{text}");
        assert!(mesh.master().nodes().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_node_with_another_public_name_is_refused_by_the_master() {
    within(async {
        let private = Keys::generate();
        let master = Parity::master()
            .keys(&Keys::new("one", private.as_str()))
            .bind("127.0.0.1:0")
            .without_discovery()
            .start()
            .await
            .unwrap();
        let node = Back::node(Stage::quiet())
            .keys(&Keys::new("another", private))
            .master(master.addr())
            .bind("127.0.0.1:0");
        let error = node.start().await.unwrap_err();
        assert!(
            matches!(
                error,
                StartError::Refused {
                    refusal: Refusal::WrongKey,
                    ..
                }
            ),
            "{error:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_peer_with_another_private_key_is_refused_by_a_node_whose_events_tell_nothing_of_it() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = start_back(&mesh).await;
        let mut events = back.events();
        let claim = Claim::to_node("Parity", "Front", "a", back.id());
        let dialled = RawPeer::dial(back.addr(), &other_private_key(), &claim).await;
        assert_eq!(refusal(dialled), Refusal::WrongKey);
        assert!(back.links().is_empty());
        let builder = Front::node(Stage::quiet()).instance("a");
        let front = mesh.start_node(builder).await.unwrap();
        let peer = front.id().clone();
        assert_eq!(events.next().await, Some(Event::LinkUp { peer }));
    })
    .await;
}

#[tokio::test]
async fn a_node_type_that_the_schema_lacks_is_refused_by_master_and_node() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = start_back(&mesh).await;
        let claim = Claim::to_master("Parity", "Stranger", "s");
        let dialled = RawPeer::dial(mesh.master().addr(), mesh.keys(), &claim).await;
        assert_eq!(refusal(dialled), Refusal::UnknownNodeType);
        let claim = Claim::to_node("Parity", "Stranger", "s", back.id());
        let dialled = RawPeer::dial(back.addr(), mesh.keys(), &claim).await;
        assert_eq!(refusal(dialled), Refusal::UnknownNodeType);
        assert_eq!(mesh.master().nodes().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_node_type_outside_allow_is_refused_at_the_link_even_when_it_dials_by_hand() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = start_back(&mesh).await;
        // `Ledger` may be linked to `Back`, but only `Back` may dial.
        let claim = Claim::to_node("Parity", "Ledger", "l", back.id());
        let dialled = RawPeer::dial(back.addr(), mesh.keys(), &claim).await;
        assert_eq!(refusal(dialled), Refusal::NotAllowed);
        assert!(back.links().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_peer_of_another_mesh_with_the_same_keys_is_refused() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let claim = Claim::to_master("Elsewhere", "Back", "b");
        let dialled = RawPeer::dial(mesh.master().addr(), mesh.keys(), &claim).await;
        assert_eq!(refusal(dialled), Refusal::WrongMesh);
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_means_another_instance_is_refused() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = start_back(&mesh).await;
        let meant = mesh_runtime::NodeId::new("Back", "another");
        let claim = Claim::to_node("Parity", "Front", "a", &meant);
        let dialled = RawPeer::dial(back.addr(), mesh.keys(), &claim).await;
        assert_eq!(refusal(dialled), Refusal::WrongTarget);
    })
    .await;
}

#[tokio::test]
async fn a_command_that_allows_others_only_is_denied_on_the_wire() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = start_back(&mesh).await;
        let mut front = link_by_hand(&mesh, "Front", &back).await;
        front
            .call(0, command("Back", "among_us"), &[])
            .await
            .unwrap();
        let answer = reply(&mut front).await;
        assert!(answer.contains("status: Failed(Denied)"), "{answer}");
        // The command is denied, not the peer.
        front.call(1, command("Back", "name"), &[]).await.unwrap();
        let answer = reply(&mut front).await;
        assert!(answer.contains("status: Ok"), "{answer}");
        // The denial depends on the caller: the same bytes from a `Back` are answered.
        let mut kin = link_by_hand(&mesh, "Back", &back).await;
        kin.call(0, command("Back", "among_us"), &[]).await.unwrap();
        let answer = reply(&mut kin).await;
        assert!(answer.contains("status: Ok"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn a_command_that_the_node_type_lacks_is_incompatible() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = start_back(&mesh).await;
        let mut front = link_by_hand(&mesh, "Front", &back).await;
        front
            .call(0, command("Ledger", "write"), &[])
            .await
            .unwrap();
        let answer = reply(&mut front).await;
        assert!(answer.contains("status: Failed(Incompatible)"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_incompatible_and_the_link_goes_on() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = start_back(&mesh).await;
        let mut front = link_by_hand(&mesh, "Front", &back).await;
        for (call, args) in [(0, &[][..]), (1, &[200, 1]), (2, &[1, b'x', b'y'])] {
            front
                .call(call, command("Back", "take"), args)
                .await
                .unwrap();
            let answer = reply(&mut front).await;
            assert!(answer.contains("status: Failed(Incompatible)"), "{answer}");
        }
        front
            .call(3, command("Back", "take"), &[1, b'x'])
            .await
            .unwrap();
        let answer = reply(&mut front).await;
        assert!(answer.contains("status: Ok"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn job_options_that_do_not_fit_are_incompatible_and_the_link_goes_on() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = start_back(&mesh).await;
        let mut front = link_by_hand(&mesh, "Front", &back).await;
        let job = command("Back", "job");
        let no_such_due = [3, 0, 1, b'x'];
        let empty_key = [0, 1, 0, 9, 1, b'x'];
        let mut long_key = vec![0, 1, 251, 1, 1];
        long_key.extend([b'k'; 257]);
        long_key.extend([9, 1, b'x']);
        for (call, payload) in [&[][..], &no_such_due, &empty_key, &long_key]
            .into_iter()
            .enumerate()
        {
            front.call(call as u64, job, payload).await.unwrap();
            let answer = reply(&mut front).await;
            assert!(answer.contains("status: Failed(Incompatible)"), "{answer}");
        }
        front.call(9, job, &[0, 0, 1, b'x']).await.unwrap();
        let answer = reply(&mut front).await;
        assert!(answer.contains("status: Ok"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn what_the_master_refuses_does_not_disturb_those_inside() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let _back = start_back(&mesh).await;
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        let impostor = mesh
            .join(Back::node(Stage::quiet()))
            .keys(&other_private_key())
            .instance("b");
        impostor.start().await.unwrap_err();
        assert_eq!(front.client::<Back>().name().await.unwrap(), "b");
        assert_eq!(mesh.master().nodes().len(), 2);
    })
    .await;
}
