//! Which nodes are linked, and what is reported when a node comes or goes.

use mesh_runtime::{CloseCode, CloseReason, Event, NodeId, testing::TestMesh};
use mesh_tests::{Back, Front, Ledger, Parity, Stage, event, within};

fn ids(links: &[mesh_runtime::LinkInfo]) -> Vec<String> {
    links.iter().map(|link| link.id.to_string()).collect()
}

#[tokio::test]
async fn a_node_links_to_an_instance_that_it_may_call() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = mesh
            .start_node(Back::node(Stage::quiet()).instance("b"))
            .await
            .unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        let links = front.links();
        assert_eq!(ids(&links), ["Back/b"]);
        assert!(links[0].dialled);
        assert_eq!(links[0].addr, back.addr().to_string());
        back.ready::<Front>(1).await.unwrap();
        assert!(!back.links()[0].dialled, "only the front dials");
    })
    .await;
}

#[tokio::test]
async fn a_node_is_linked_to_both_instances_whether_they_come_before_or_after_it() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = |name: &str| mesh.start_node(Back::node(Stage::quiet()).instance(name));
        let _b1 = back("b1").await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        let _b2 = back("b2").await.unwrap();
        front.ready::<Back>(2).await.unwrap();
        assert_eq!(ids(&front.links()), ["Back/b1", "Back/b2"]);
    })
    .await;
}

#[tokio::test]
async fn instances_of_one_node_type_link_to_each_other_once_and_never_to_themselves() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = |name: &str| mesh.start_node(Back::node(Stage::quiet()).instance(name));
        let nodes = [
            back("b1").await.unwrap(),
            back("b2").await.unwrap(),
            back("b3").await.unwrap(),
        ];
        for node in &nodes {
            node.ready::<Back>(2).await.unwrap();
        }
        assert_eq!(ids(&nodes[0].links()), ["Back/b2", "Back/b3"]);
        assert_eq!(ids(&nodes[1].links()), ["Back/b1", "Back/b3"]);
        assert_eq!(ids(&nodes[2].links()), ["Back/b1", "Back/b2"]);
        // Of each pair, one has dialled and the other has accepted: both see the same link.
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let there = nodes[one].link::<Back>(nodes[other].instance()).unwrap();
            let here = nodes[other].link::<Back>(nodes[one].instance()).unwrap();
            assert_ne!(there.dialled, here.dialled);
        }
    })
    .await;
}

#[tokio::test]
async fn node_types_without_a_link_in_the_schema_are_not_linked() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let ledger = mesh.start_node(Ledger::node(Stage::quiet())).await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        let back = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        // Both are linked to `back`, so everything that the master had to tell them has arrived.
        front.ready::<Back>(1).await.unwrap();
        ledger.ready::<Back>(1).await.unwrap();
        assert_eq!(ids(&front.links()), [back.id().to_string()]);
        assert_eq!(ids(&ledger.links()), [back.id().to_string()]);
    })
    .await;
}

#[tokio::test]
async fn when_an_instance_leaves_the_other_stays_and_when_it_comes_back_there_are_two() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = |name: &str| mesh.start_node(Back::node(Stage::quiet()).instance(name));
        let b1 = back("b1").await.unwrap();
        let _b2 = back("b2").await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        front.ready::<Back>(2).await.unwrap();
        let mut events = front.events();

        b1.shutdown().await;
        let disconnection = event(&mut events, |event| match event {
            Event::LinkDown { peer, reason } => Some((peer, reason)),
            _ => None,
        });
        let (peer, reason) = disconnection.await;
        assert_eq!(peer, NodeId::new("Back", "b1"));
        assert_eq!(reason, CloseReason::Goodbye(CloseCode::ShuttingDown));
        assert_eq!(ids(&front.links()), ["Back/b2"]);
        assert_eq!(front.client::<Back>().names().await.unwrap().len(), 1);

        let _b1 = back("b1").await.unwrap();
        let connection = event(&mut events, |event| match event {
            Event::LinkUp { peer } => Some(peer),
            _ => None,
        });
        assert_eq!(connection.await, NodeId::new("Back", "b1"));
        assert_eq!(ids(&front.links()), ["Back/b1", "Back/b2"]);
        assert_eq!(front.client::<Back>().names().await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_link_is_found_by_node_type_and_instance_id() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = |name: &str| mesh.start_node(Back::node(Stage::quiet()).instance(name));
        let b1 = back("b1").await.unwrap();
        let b2 = back("b2").await.unwrap();
        let front = mesh
            .start_node(Front::node(Stage::quiet()).instance("a"))
            .await
            .unwrap();
        front.ready::<Back>(2).await.unwrap();
        for node in [&b1, &b2] {
            let link = front.link::<Back>(node.instance()).unwrap();
            assert_eq!(link.id, *node.id());
            assert_eq!(link.addr, node.addr().to_string());
        }
        assert_eq!(front.link::<Back>("b3"), None);
        assert_eq!(front.link::<Front>("b1"), None, "another node type");
    })
    .await;
}
