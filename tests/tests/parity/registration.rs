//! Nodes and their master: which nodes are in the registry, and which nodes are notified of changes.

use mesh_runtime::{Event, Keys, NodeBuilder, NodeId, testing::TestMesh};
use mesh_tests::{Back, Front, HeldPort, Parity, Stage, event, within};
use tokio::{net::TcpStream, sync::mpsc};

#[tokio::test]
async fn a_node_registers_and_its_listener_is_up() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let node = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        let listed = mesh.master().nodes();
        assert_eq!(listed.len(), 1);
        assert_eq!(&listed[0].id, node.id());
        assert_eq!(listed[0].port, node.addr().port());
        TcpStream::connect((listed[0].host.as_str(), listed[0].port))
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_chosen_instance_id_shows_in_the_registry() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let builder = Back::node(Stage::quiet()).instance("the-one-i-chose");
        let node = mesh.start_node(builder).await.unwrap();
        assert_eq!(*node.instance(), "the-one-i-chose");
        let listed = mesh.master().nodes();
        assert_eq!(listed[0].id, NodeId::new("Back", "the-one-i-chose"));
    })
    .await;
}

#[tokio::test]
async fn instance_ids_that_nobody_chose_differ() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let one = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        let two = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        assert_ne!(one.instance(), two.instance());
        assert_eq!(mesh.master().nodes().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn the_master_lists_every_node() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = || Back::node(Stage::quiet());
        let _b2 = mesh.start_node(back().instance("b2")).await.unwrap();
        let _a = mesh
            .start_node(Front::node(Stage::quiet()).instance("a"))
            .await
            .unwrap();
        let _b1 = mesh.start_node(back().instance("b1")).await.unwrap();
        let listed: Vec<_> = mesh.master().nodes().into_iter().map(|n| n.id).collect();
        let expected = [("Front", "a"), ("Back", "b1"), ("Back", "b2")];
        assert_eq!(listed, expected.map(|(kind, id)| NodeId::new(kind, id)));
    })
    .await;
}

#[tokio::test]
async fn a_node_that_ends_leaves_the_registry() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let node = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        node.shutdown().await;
        let successor = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        let listed: Vec<_> = mesh.master().nodes().into_iter().map(|n| n.id).collect();
        assert_eq!(listed, [successor.id().clone()]);
    })
    .await;
}

#[tokio::test]
async fn an_advertised_host_name_and_port_are_what_others_dial() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let port = HeldPort::any();
        let advertised = format!("localhost:{}", port.addr().port());
        let builder = mesh
            .join(Back::node(Stage::quiet()))
            .bind(port.addr())
            .advertise(&advertised);
        let back = builder.start().await.unwrap();
        let listed = mesh.master().nodes();
        assert_eq!(listed[0].host, "localhost");
        assert_eq!(listed[0].port, back.addr().port());
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        assert_eq!(front.links()[0].addr, advertised);
    })
    .await;
}

#[tokio::test]
async fn the_callbacks_of_node_and_master_are_called() {
    within(async {
        let (told, mut telling) = mpsc::unbounded_channel();
        let tell = move |text: String| {
            let _ = told.send(text);
        };
        let keys = Keys::new("parity", Keys::generate());
        let (on_proven, on_listed) = (tell.clone(), tell.clone());
        let master = Parity::master()
            .keys(&keys)
            .bind("127.0.0.1:0")
            .without_discovery()
            .on_connected(move |node| on_proven(format!("master: connection of {node}")))
            .on_registered(move |info| on_listed(format!("master: registration of {}", info.id)))
            .start()
            .await
            .unwrap();
        let (on_master, on_link, on_lost) = (tell.clone(), tell.clone(), tell);
        let front = Front::node(Stage::quiet())
            .keys(&keys)
            .master(master.addr())
            .bind("127.0.0.1:0")
            .instance("a")
            .on_registered(move || on_master("a: connected".into()))
            .on_link_up(move |peer| on_link(format!("a: connection to {peer}")))
            .on_link_down(move |peer, reason| on_lost(format!("a: without {peer}: {reason}")))
            .start()
            .await
            .unwrap();
        let mut expect = async |count: usize, mut lines: Vec<&str>| {
            let mut heard = Vec::new();
            for _ in 0..count {
                heard.push(telling.recv().await.unwrap());
            }
            heard.sort();
            lines.sort_unstable();
            assert_eq!(heard, lines);
        };
        let lines = vec![
            "master: connection of Front/a",
            "master: registration of Front/a",
            "a: connected",
        ];
        expect(3, lines).await;
        let back = Back::node(Stage::quiet())
            .keys(&keys)
            .master(master.addr())
            .bind("127.0.0.1:0")
            .instance("b")
            .start()
            .await
            .unwrap();
        let lines = vec![
            "master: connection of Back/b",
            "master: registration of Back/b",
            "a: connection to Back/b",
        ];
        expect(3, lines).await;
        back.shutdown().await;
        let line = "a: without Back/b: the other side said goodbye: it is shutting down";
        expect(1, vec![line]).await;
        drop(front);
    })
    .await;
}

#[tokio::test]
async fn the_same_instance_id_twice_the_later_replaces_the_earlier_for_good() {
    within(async {
        let port = HeldPort::any();
        let keys = Keys::new("parity", Keys::generate());
        let start_master = async || {
            let builder = Parity::master().keys(&keys).bind(port.addr());
            builder.start().await.unwrap()
        };
        let master = start_master().await;
        let join = |builder: NodeBuilder<Back>| {
            let builder = builder.keys(&keys).master(port.addr());
            builder.bind("127.0.0.1:0").instance("b").start()
        };
        let front = Front::node(Stage::quiet())
            .keys(&keys)
            .master(port.addr())
            .bind("127.0.0.1:0")
            .start()
            .await
            .unwrap();
        let (stage, mut hearing) = Stage::new();
        let earlier = join(Back::node(Stage::quiet())).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        let mut of_earlier = earlier.events();
        let mut of_front = front.events();

        let later = join(Back::node(stage)).await.unwrap();
        let replaced = |event| (event == Event::Replaced).then_some(());
        event(&mut of_earlier, replaced).await;
        let linked = |event| matches!(event, Event::LinkUp { .. }).then_some(());
        event(&mut of_front, linked).await;
        for n in 0..4 {
            front.client::<Back>().take(n.to_string()).await.unwrap();
        }
        assert_eq!(hearing.so_far().len(), 4);

        // A master that does not know any node yet would accept the earlier node again, if it came.
        let mut of_later = later.events();
        master.shutdown().await;
        let lost = |event| matches!(event, Event::MasterLost { .. }).then_some(());
        event(&mut of_later, lost).await;
        let master = start_master().await;
        let registered = |event| (event == Event::Registered).then_some(());
        event(&mut of_later, registered).await;
        assert!(master.wait_for_nodes(2).await);
        let listed = master.nodes();
        let backs: Vec<_> = listed
            .iter()
            .filter(|n| &*n.id.node_type == "Back")
            .collect();
        assert_eq!(backs.len(), 1);
        assert_eq!(backs[0].port, later.addr().port());
        assert!(earlier.links().is_empty());
    })
    .await;
}
