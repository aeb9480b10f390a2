//! A master that starts late, stops and restarts, or must be discovered.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use mesh_runtime::{Event, Keys, Master, Node, NodeType, Refusal, StartError};
use mesh_tests::{Back, Front, HeldPort, Parity, Stage, event, within};

fn keys() -> Keys {
    Keys::new("Parity", Keys::generate())
}

async fn start_master(keys: &Keys, port: &HeldPort) -> Master {
    let builder = Parity::master().keys(keys).bind(port.addr());
    builder.start().await.unwrap()
}

async fn start<N: NodeType>(
    builder: mesh_runtime::NodeBuilder<N>,
    keys: &Keys,
    master: impl ToString,
) -> Result<Node<N>, StartError> {
    let builder = builder.keys(keys).master(master).bind("127.0.0.1:0");
    builder.start().await
}

#[tokio::test]
async fn nodes_started_before_the_master_register_once_it_is_there() {
    within(async {
        let (keys, port) = (keys(), HeldPort::any());
        let back = start(Back::node(Stage::quiet()), &keys, port.addr());
        let back = back.await.unwrap();
        let front = start(Front::node(Stage::quiet()), &keys, port.addr());
        let front = front.await.unwrap();
        let master = start_master(&keys, &port).await;
        back.registered().await.unwrap();
        front.registered().await.unwrap();
        assert_eq!(master.nodes().len(), 2);
        front.ready::<Back>(1).await.unwrap();
        let answer = front.client::<Back>().name().await.unwrap();
        assert_eq!(*back.instance(), answer.as_str());
    })
    .await;
}

#[tokio::test]
async fn while_the_master_is_away_calls_go_on_and_when_it_is_back_nodes_register_again() {
    within(async {
        let (keys, port) = (keys(), HeldPort::any());
        let master = start_master(&keys, &port).await;
        let back = |name: &str| Back::node(Stage::quiet()).instance(name);
        let b1 = start(back("b1"), &keys, port.addr()).await.unwrap();
        let front = start(Front::node(Stage::quiet()), &keys, port.addr());
        let front = front.await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        let mut events = front.events();
        let mut of_back = b1.events();

        // Calls without a pause, one after the other, and none may fail.
        let (client, stop) = (front.client::<Back>(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let calling = tokio::spawn(async move {
            let mut calls = 0_u32;
            while !stopped.load(Ordering::Acquire) {
                client.name().await.unwrap();
                calls += 1;
            }
            calls
        });
        master.shutdown().await;
        drop(master);
        let lost = |event| matches!(event, Event::MasterLost { .. }).then_some(());
        event(&mut events, lost).await;
        event(&mut of_back, lost).await;
        assert_eq!(front.links().len(), 1);
        front.client::<Back>().name().await.unwrap();

        let master = start_master(&keys, &port).await;
        let registered = |event| match event {
            Event::Registered => Some(()),
            Event::LinkDown { peer, reason } => panic!("{peer} was lost: {reason}"),
            _ => None,
        };
        event(&mut events, registered).await;
        event(&mut of_back, registered).await;
        assert!(master.wait_for_nodes(2).await);
        let listed: Vec<_> = master.nodes().into_iter().map(|node| node.id).collect();
        assert_eq!(listed, [front.id().clone(), b1.id().clone()]);
        stop.store(true, Ordering::Release);
        assert!(calling.await.unwrap() > 0);

        // The new master reports new nodes.
        let _b2 = start(back("b2"), &keys, port.addr()).await.unwrap();
        front.ready::<Back>(2).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_master_without_a_port_is_found_by_discovery() {
    within(async {
        let keys = keys();
        let builder = Parity::master().keys(&keys).bind("127.0.0.1:0");
        let master = builder.discovery_port(0).start().await.unwrap();
        let discovery = master.discovery_addr().unwrap();
        assert_ne!(discovery.port(), master.addr().port());
        let builder = Back::node(Stage::quiet()).discovery_port(discovery.port());
        let back = start(builder, &keys, "127.0.0.1").await.unwrap();
        assert_eq!(master.nodes()[0].id, *back.id());
    })
    .await;
}

#[tokio::test]
async fn discovery_refuses_another_public_name() {
    within(async {
        let private = Keys::generate();
        let keys = Keys::new("Parity", private.as_str());
        let builder = Parity::master().keys(&keys).bind("127.0.0.1:0");
        let master = builder.discovery_port(0).start().await.unwrap();
        let discovery = master.discovery_addr().unwrap();
        let builder = Back::node(Stage::quiet()).discovery_port(discovery.port());
        let outsider = Keys::new("Another", private);
        let error = start(builder, &outsider, "127.0.0.1").await.unwrap_err();
        assert!(
            matches!(&error, StartError::Refused { addr, refusal: Refusal::WrongKey, .. }
                if addr.contains("discovery")),
            "{error:?}"
        );
        assert!(error.to_string().contains("public name"), "{error}");
        assert!(master.nodes().is_empty());
    })
    .await;
}

#[tokio::test]
async fn discovery_does_not_spare_a_node_the_private_key() {
    within(async {
        let keys = keys();
        let builder = Parity::master().keys(&keys).bind("127.0.0.1:0");
        let master = builder.discovery_port(0).start().await.unwrap();
        let discovery = master.discovery_addr().unwrap();
        let builder = Back::node(Stage::quiet()).discovery_port(discovery.port());
        let outsider = Keys::new("Parity", Keys::generate());
        let error = start(builder, &outsider, "127.0.0.1").await.unwrap_err();
        let port = master.addr().port().to_string();
        assert!(
            matches!(&error, StartError::Refused { addr, refusal: Refusal::WrongKey, .. }
                if addr.ends_with(&port)),
            "{error:?}"
        );
        assert!(master.nodes().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_master_with_a_fixed_port_opens_no_discovery() {
    within(async {
        let (keys, port) = (keys(), HeldPort::any());
        let master = start_master(&keys, &port).await;
        assert_eq!(master.addr(), port.addr());
        assert_eq!(master.discovery_addr(), None);
    })
    .await;
}
