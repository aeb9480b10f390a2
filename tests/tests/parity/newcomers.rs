//! Mistakes that are made with a first mesh: each is told in a text that says what is wrong, where, and what to do.

use std::time::Duration;

use mesh_runtime::{Keys, NotReady, Refusal, RunError, StartError, testing::TestMesh};
use mesh_tests::{Back, Front, HeldPort, Parity, Stage, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Long enough for an attempt over the loopback interface, of which the first is made at once.
const SHORT: Duration = Duration::from_millis(500);

fn assert_says(error: &impl ToString, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// What a node says that waits for a `Back`, with this master.
async fn not_ready(keys: &Keys, master: &str) -> NotReady {
    let front = Front::node(Stage::quiet()).keys(keys).master(master);
    let front = front.bind("127.0.0.1").start().await.unwrap();
    front.ready::<Back>(1).timeout(SHORT).await.unwrap_err()
}

#[tokio::test]
async fn no_master_runs() {
    within(async {
        let port = HeldPort::any();
        let master = port.addr().to_string();
        let error = not_ready(&Keys::new("a", Keys::generate()), &master).await;
        assert!(!error.registered);
        let cannot =
            format!("this node is not registered: the master at {master} cannot be reached");
        assert_says(
            &error,
            &["0 of 1 instances of `Back`", &cannot, "does it run"],
        );
    })
    .await;
}

#[tokio::test]
async fn something_else_has_the_port_of_the_master() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        });
        let error = not_ready(&Keys::new("a", Keys::generate()), &addr).await;
        assert_says(
            &error,
            &["cannot be reached", "404", "is the address right?"],
        );
    })
    .await;
}

#[tokio::test]
async fn the_address_of_the_master_is_that_of_a_node() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = mesh.start_node(Back::node(Stage::quiet())).await.unwrap();
        let front = Front::node(Stage::quiet())
            .keys(mesh.keys())
            .master(back.addr());
        let error = front.start().await.unwrap_err();
        assert_says(&error, &["another node answers at this address"]);
    })
    .await;
}

#[tokio::test]
async fn the_keys_differ() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let other = Keys::new("other", Keys::generate());
        let front = Front::node(Stage::quiet())
            .keys(&other)
            .master(mesh.master().addr());
        let error = front.start().await.unwrap_err();
        assert_says(
            &error,
            &[
                "refused Front/",
                "the keys do not match",
                "MESH_PRIVATE_KEY",
            ],
        );
    })
    .await;
}

#[tokio::test]
async fn the_keys_differ_and_the_master_comes_later() {
    within(async {
        let port = HeldPort::any();
        let addr = port.addr().to_string();
        let front = Front::node(Stage::quiet()).keys(&Keys::new("a", Keys::generate()));
        let front = front.master(&addr).bind("127.0.0.1").start().await.unwrap();
        let registered = front.clone();
        let registered = tokio::spawn(async move { registered.registered().await });
        let run = tokio::spawn({
            let front = front.clone();
            async move { front.run_until_signal().await }
        });
        let master = Parity::master().keys(&Keys::new("b", Keys::generate()));
        let _master = master.bind(&addr).start().await.unwrap();
        let error = run.await.unwrap().unwrap_err();
        assert!(
            matches!(&error, RunError::Refused { refusal: Refusal::WrongKey, addr: Some(by), .. } if *by == addr),
            "{error:?}"
        );
        assert_says(&error, &["can no longer do its work, refused by the master at", "the keys do not match"]);
        let error = registered.await.unwrap().unwrap_err();
        assert_says(&error, &["the keys do not match"]);
    })
    .await;
}

#[tokio::test]
async fn two_nodes_have_one_instance_id() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = || mesh.start_node(Back::node(Stage::quiet()).instance("b1"));
        let first = back().await.unwrap();
        let run = tokio::spawn(async move { first.run_until_signal().await });
        let _second = back().await.unwrap();
        let error = run.await.unwrap().unwrap_err();
        assert!(
            matches!(
                error,
                RunError::Refused {
                    refusal: Refusal::Replaced,
                    ..
                }
            ),
            "{error:?}"
        );
        assert_says(
            &error,
            &[
                "Back/b1",
                "a newer node with the same instance id",
                "MESH_INSTANCE",
            ],
        );
    })
    .await;
}

#[tokio::test]
async fn the_port_is_taken() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let taken = mesh.master().addr();
        let front = Front::node(Stage::quiet()).keys(mesh.keys()).bind(taken);
        let error = front.start().await.unwrap_err();
        assert!(matches!(error, StartError::Bind { .. }), "{error:?}");
        assert_says(
            &error,
            &[&taken.to_string(), "another process has it", "MESH_BIND"],
        );
    })
    .await;
}

#[tokio::test]
async fn the_discovery_port_is_taken() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let taken = mesh.master().addr();
        let master = Parity::master().keys(mesh.keys()).bind(taken.ip());
        let error = master
            .discovery_port(taken.port())
            .start()
            .await
            .unwrap_err();
        assert_says(
            &error,
            &[&taken.to_string(), "choose one with discovery_port()"],
        );
        assert!(!error.to_string().contains("MESH_BIND"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn the_node_shuts_down_while_it_waits() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        let ready = front.ready::<Back>(1).timeout(Duration::from_secs(3600));
        let (ready, _) = tokio::join!(ready, front.shutdown());
        assert_says(&ready.unwrap_err(), &["this node is shutting down"]);
    })
    .await;
}

#[tokio::test]
async fn an_instance_advertises_an_address_that_only_its_own_machine_reaches() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let port = HeldPort::any();
        let advertised = port.addr().to_string();
        let back = Back::node(Stage::quiet())
            .instance("b1")
            .advertise(&advertised);
        let _back = mesh.start_node(back).await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        let error = front.ready::<Back>(1).timeout(SHORT).await.unwrap_err();
        assert!(error.registered);
        let no_link = format!("Back/b1: no link to {advertised}");
        assert_says(
            &error,
            &[
                &no_link,
                "only its own machine reaches that address",
                "MESH_ADVERTISE",
            ],
        );
    })
    .await;
}

#[tokio::test]
async fn no_instance_runs() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        let error = front.ready::<Back>(1).timeout(SHORT).await.unwrap_err();
        assert_says(
            &error,
            &[
                "the master knows of no more instances of `Back`",
                "do they run",
            ],
        );
    })
    .await;
}

#[tokio::test]
async fn nodes_on_an_address_of_their_own_are_dialled_there() {
    within(async {
        let mesh = TestMesh::<Parity>::start().await.unwrap();
        let back = mesh.join(Back::node(Stage::quiet()).instance("b1"));
        let back = back.bind("127.0.0.2").start().await.unwrap();
        let front = mesh.start_node(Front::node(Stage::quiet())).await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        assert_eq!(front.links()[0].addr, back.addr().to_string());
        let names = front.client::<Back>().names().at_least(1).await.unwrap();
        assert_eq!(names.require_all().unwrap(), ["b1"]);
    })
    .await;
}
