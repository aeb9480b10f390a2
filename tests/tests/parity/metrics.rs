//! What nodes count of their calls and jobs, and the HTTP port that tells it.

use std::{
    collections::BTreeMap,
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mesh_runtime::{
    Context, Event, Node, NodeType, StartError, mesh_schema,
    metrics::{CommandMetrics, Direction},
    testing::TestMesh,
};
use mesh_tests::{Back, Front, Ledger, Parity, Stage, http, within};
use tokio::net::TcpStream;

mesh_schema! {
    mesh Shop;
    node Gateway { connect: [Billing]; }
    node Billing {
        allow: [Gateway];
        balanced fn charge(cents: u64) -> Result<u64, String>;
    }
}

struct Till;

impl BillingHandler for Till {
    async fn charge(&self, _: Context<Billing>, cents: u64) -> Result<u64, String> {
        if cents == 0 {
            return Err("nothing to charge".to_owned());
        }
        Ok(cents)
    }
}

fn of<N: NodeType>(node: &Node<N>, command: &str, direction: Direction) -> CommandMetrics {
    let mut commands = node.metrics().commands.into_iter();
    commands
        .find(|counted| counted.command == command && counted.direction == direction)
        .unwrap_or_else(|| panic!("{command} was not counted"))
}

/// The statuses that were counted at least once.
fn statuses(counted: &CommandMetrics) -> BTreeMap<&str, u64> {
    let statuses = counted.statuses.iter();
    let counted = statuses.filter(|(_, count)| **count > 0);
    counted
        .map(|(name, count)| (name.as_str(), *count))
        .collect()
}

async fn two(mesh: &TestMesh<Parity>, stage: &Stage) -> (Node<Front>, Node<Back>) {
    let back = mesh.start_node(Back::node(stage.clone())).await.unwrap();
    let front = mesh.start_node(Front::node(stage.clone())).await.unwrap();
    front.ready::<Back>(1).await.unwrap();
    (front, back)
}

#[tokio::test]
async fn calls_are_counted_on_both_sides_by_how_they_end() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, back) = two(&mesh, &Stage::quiet()).await;
        let calls = front.client::<Back>();
        for _ in 0..3 {
            calls.name().await.unwrap();
        }
        calls.name().to("nobody").await.unwrap_err();
        calls.fall("down".into()).await.unwrap_err();
        calls.names().await.unwrap();

        let name = of(&front, "name", Direction::Client);
        assert_eq!(statuses(&name), BTreeMap::from([("no_peer", 1), ("ok", 3)]));
        assert_eq!((name.count(), name.errors(), name.in_flight), (4, 1, 0));
        assert!(name.durations.quantile(0.5).unwrap() < Duration::from_secs(30));
        let fall = of(&front, "fall", Direction::Client);
        assert_eq!(statuses(&fall), BTreeMap::from([("handler_panicked", 1)]));
        let names = of(&front, "names", Direction::Client);
        assert_eq!(statuses(&names), BTreeMap::from([("ok", 1)]));

        let name = of(&back, "name", Direction::Server);
        assert_eq!(statuses(&name), BTreeMap::from([("ok", 3)]));
        let fall = of(&back, "fall", Direction::Server);
        assert_eq!(statuses(&fall), BTreeMap::from([("handler_panicked", 1)]));
        // What it serves is there from the start, what it calls once it was called.
        assert_eq!(of(&back, "sticky", Direction::Server).count(), 0);
        let mut called = back.metrics().commands.into_iter();
        assert!(called.all(|counted| counted.direction == Direction::Server));
    })
    .await;
}

#[tokio::test]
async fn a_call_is_in_flight_until_it_ends_and_a_dropped_one_is_cancelled() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, back) = two(&mesh, &stage.behind_closed_gate()).await;
        let call = tokio::spawn(front.client::<Back>().wait("x".into()).into_future());
        hearing.next().await;
        assert_eq!(of(&front, "wait", Direction::Client).in_flight, 1);
        assert_eq!(of(&back, "wait", Direction::Server).in_flight, 1);
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        let client = of(&front, "wait", Direction::Client);
        assert_eq!(statuses(&client), BTreeMap::from([("cancelled", 1)]));
        // The handler is dropped at the other end.
        assert_eq!(hearing.next().await.text, "dropped");
        back.shutdown().await;
        let server = of(&back, "wait", Direction::Server);
        assert_eq!(statuses(&server), BTreeMap::from([("cancelled", 1)]));
        assert_eq!((client.in_flight, server.in_flight), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_returns_an_error_of_its_own_is_counted_as_an_error() {
    within(async {
        let mesh = TestMesh::<Shop>::start().await.unwrap();
        let billing = mesh.start_node(Billing::node(Till)).await.unwrap();
        let gateway = mesh.start_node(Gateway::node()).await.unwrap();
        gateway.ready::<Billing>(1).await.unwrap();
        let calls = gateway.client::<Billing>();
        assert_eq!(calls.charge(5).await.unwrap(), Ok(5));
        calls.charge(0).await.unwrap().unwrap_err();
        let expected = BTreeMap::from([("error", 1), ("ok", 1)]);
        let client = of(&gateway, "charge", Direction::Client);
        assert_eq!(statuses(&client), expected);
        let server = of(&billing, "charge", Direction::Server);
        assert_eq!(statuses(&server), expected);
    })
    .await;
}

#[tokio::test]
async fn a_further_attempt_of_a_call_is_a_retry_and_no_call_of_its_own() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let closed = stage.behind_closed_gate();
        let first = mesh
            .start_node(Back::node(closed).instance("b1"))
            .await
            .unwrap();
        let front = mesh.start_node(Front::node(stage.clone())).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        let call = tokio::spawn(front.client::<Back>().wait_again("x".into()).into_future());
        hearing.next().await;
        let _second = mesh
            .start_node(Back::node(stage).instance("b2"))
            .await
            .unwrap();
        front.ready::<Back>(2).await.unwrap();
        drop(first);
        assert_eq!(call.await.unwrap().unwrap(), "b2");
        let counted = of(&front, "wait_again", Direction::Client);
        assert_eq!((counted.count(), counted.retries), (1, 1));
        assert_eq!(statuses(&counted), BTreeMap::from([("ok", 1)]));
    })
    .await;
}

#[tokio::test]
async fn jobs_are_counted_when_they_are_queued_and_when_they_have_run() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let (front, back) = two(&mesh, &stage).await;
        front.client::<Back>().job("x".into()).await.unwrap();
        hearing.next().await;
        back.shutdown().await;
        assert_eq!(of(&front, "job", Direction::Client).count(), 1);
        assert_eq!(of(&back, "job", Direction::Server).count(), 1);
        let jobs = of(&back, "job", Direction::Job);
        assert_eq!(statuses(&jobs), BTreeMap::from([("ok", 1)]));
    })
    .await;
}

#[tokio::test]
async fn operators_and_observers_see_what_a_node_has_counted() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (front, back) = two(&mesh, &Stage::quiet()).await;
        front.client::<Back>().name().await.unwrap();
        let operator = mesh.operator_of(&back).await.unwrap();
        assert_eq!(operator.metrics().await.unwrap(), back.metrics());
        let observers = mesh.operators().observer();
        let observer = observers.node_at(back.addr(), back.id().clone()).await;
        assert_eq!(observer.unwrap().metrics().await.unwrap(), back.metrics());
        let master = mesh.operator().await.unwrap();
        assert!(master.metrics().await.unwrap().commands.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_node_is_ready_once_it_is_linked_and_until_it_drains() {
    within(async {
        let mesh = TestMesh::<Shop>::start().await.unwrap();
        let well = Arc::new(AtomicBool::new(true));
        let check = Arc::clone(&well);
        let gateway = Gateway::node()
            .metrics("127.0.0.1:0")
            .ready_check(move || check.load(Ordering::SeqCst));
        let gateway = mesh.start_node(gateway).await.unwrap();
        let addr = gateway.metrics_addr().unwrap();
        assert_eq!(http(addr, "GET /livez").await, (200, "ok\n".to_owned()));
        let (status, why) = http(addr, "GET /readyz").await;
        let expected = "not ready:\nno link to any instance of Billing\n";
        assert_eq!((status, why.as_str()), (503, expected));

        let _billing = mesh.start_node(Billing::node(Till)).await.unwrap();
        gateway.ready::<Billing>(1).await.unwrap();
        let ready = (200, "ready\n".to_owned());
        assert_eq!(http(addr, "GET /readyz").await, ready);
        well.store(false, Ordering::SeqCst);
        let (status, why) = http(addr, "GET /readyz").await;
        assert_eq!(
            (status, why.as_str()),
            (503, "not ready:\nits own check fails\n")
        );

        assert_eq!(http(addr, "HEAD /livez").await, (200, String::new()));
        assert_eq!(http(addr, "POST /livez").await.0, 405);
        assert_eq!(http(addr, "GET /").await.0, 404);
        gateway.shutdown().await;
        assert!(TcpStream::connect(addr).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn the_first_instance_of_a_type_that_links_to_its_own_kind_is_ready() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let _ledger = mesh.start_node(Ledger::node(Stage::quiet())).await.unwrap();
        let back = Back::node(Stage::quiet()).metrics("127.0.0.1:0");
        let back = mesh.start_node(back).await.unwrap();
        back.ready::<Ledger>(1).await.unwrap();
        let addr = back.metrics_addr().unwrap();
        let ready = (200, "ready\n".to_owned());
        assert_eq!(http(addr, "GET /readyz").await, ready);
        // It has been registered, so it stays ready when the master is gone: its calls go on.
        let mut events = back.events();
        mesh.master().shutdown().await;
        while !matches!(events.next().await, Some(Event::MasterLost { .. })) {}
        assert_eq!(http(addr, "GET /readyz").await, ready);
        let (_, text) = http(addr, "GET /metrics").await;
        assert!(text.contains("\nmesh_registered 0\n"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn clients_that_send_nothing_keep_nobody_from_the_probes() {
    within(async {
        let mesh = TestMesh::<Shop>::start().await.unwrap();
        let gateway = mesh
            .start_node(Gateway::node().metrics("127.0.0.1:0"))
            .await;
        let addr = gateway.as_ref().unwrap().metrics_addr().unwrap();
        let mut silent = Vec::new();
        for _ in 0..200 {
            silent.push(TcpStream::connect(addr).await.unwrap());
        }
        assert_eq!(http(addr, "GET /livez").await.0, 200);
    })
    .await;
}

#[tokio::test]
async fn a_node_that_drains_says_that_it_is_not_ready() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let (stage, mut hearing) = Stage::new();
        let closed = stage.behind_closed_gate();
        let back = Back::node(closed.clone()).metrics("127.0.0.1:0");
        let back = mesh.start_node(back).await.unwrap();
        let front = mesh.start_node(Front::node(stage)).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        let _call = tokio::spawn(front.client::<Back>().wait("x".into()).into_future());
        hearing.next().await;
        let addr = back.metrics_addr().unwrap();
        let stopping = tokio::spawn(async move { back.shutdown().await });
        // The handler keeps it from ending.
        loop {
            let (status, why) = http(addr, "GET /readyz").await;
            if why.contains("it shuts down") {
                assert_eq!(status, 503);
                break;
            }
            tokio::task::yield_now().await;
        }
        let (_, text) = http(addr, "GET /metrics").await;
        assert!(text.contains("\nmesh_draining 1\n"), "{text}");
        closed.open();
        stopping.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn no_port_is_opened_unless_it_is_asked_for_and_a_bad_address_is_an_error() {
    within(async {
        let mesh = TestMesh::<Shop>::start().await.unwrap();
        let gateway = mesh.start_node(Gateway::node()).await.unwrap();
        assert_eq!(gateway.metrics_addr(), None);
        assert_eq!(mesh.master().metrics_addr(), None);
        let bad = mesh.start_node(Gateway::node().metrics("9400")).await;
        let error = bad.unwrap_err();
        assert!(matches!(error, StartError::Config { .. }), "{error}");
        assert!(
            error.to_string().contains("`9400` is not `ip:port`"),
            "{error}"
        );
        let taken = gateway.addr();
        let taken = mesh.start_node(Gateway::node().metrics(taken)).await;
        let error = taken.unwrap_err().to_string();
        assert!(error.contains("for metrics"), "{error}");
    })
    .await;
}
