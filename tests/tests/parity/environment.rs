//! Settings from `MESH_*` environment variables, in a process of its own.

use std::process::Stdio;

use mesh_runtime::{CloseCode, CloseReason, Event, Keys, Master, Node};
use mesh_tests::{Back, Front, HeldPort, Parity, RedisServer, Stage, event, within};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

/// The node in a process of its own, with these variables and no other `MESH_*` variables. The process ends when the
/// handle is dropped.
fn start(variables: &[(&str, &str)]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_env_node"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MESH_") {
            command.env_remove(name);
        }
    }
    command
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// A master, and a caller that is linked to a node in a process of its own, which also gets these variables.
async fn meet(more: &[(&str, &str)]) -> (Master, Child, Node<Front>) {
    let private = Keys::generate();
    let keys = Keys::new("from-env", private.as_str());
    let builder = Parity::master().keys(&keys).bind("127.0.0.1:0");
    let master = builder.without_discovery().start().await.unwrap();
    let addr = master.addr().to_string();
    let mut variables = vec![
        ("MESH_PUBLIC_KEY", "from-env"),
        ("MESH_PRIVATE_KEY", &*private),
        ("MESH_MASTER", &*addr),
        ("MESH_BIND", "127.0.0.1:0"),
    ];
    variables.extend_from_slice(more);
    let mut child = start(&variables);
    first_line(&mut child).await;
    let front = Front::node(Stage::quiet()).keys(&keys).master(&addr);
    let front = front.bind("127.0.0.1:0").start().await.unwrap();
    front.ready::<Back>(1).await.unwrap();
    (master, child, front)
}

async fn first_line(child: &mut Child) -> String {
    let mut output = BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

#[tokio::test]
async fn a_node_takes_from_the_environment_what_code_does_not_say() {
    within(async {
        let (private, port) = (Keys::generate(), HeldPort::any());
        let keys = Keys::new("from-env", private.as_str());
        let builder = Parity::master().keys(&keys).bind("127.0.0.1:0");
        let master = builder.without_discovery().start().await.unwrap();
        let (addr, bind) = (master.addr().to_string(), port.addr().to_string());
        let mut child = start(&[
            ("MESH_PUBLIC_KEY", "from-env"),
            ("MESH_PRIVATE_KEY", &private),
            ("MESH_MASTER", &addr),
            ("MESH_BIND", &bind),
            ("MESH_ADVERTISE", "localhost"),
            ("MESH_INSTANCE", "named-by-env"),
        ]);
        let line = first_line(&mut child).await;
        assert_eq!(line, format!("Back/named-by-env {bind}"));
        let listed = master.nodes();
        assert_eq!(listed[0].id.to_string(), "Back/named-by-env");
        assert_eq!(listed[0].host, "localhost");
        assert_eq!(listed[0].port, port.addr().port());

        let front = Front::node(Stage::quiet()).keys(&keys).master(&addr);
        let front = front.bind("127.0.0.1:0").start().await.unwrap();
        front.ready::<Back>(1).await.unwrap();
        let answer = front.client::<Back>().name().await.unwrap();
        assert_eq!(answer, "named-by-env");
    })
    .await;
}

#[tokio::test]
async fn a_node_finds_its_master_by_the_discovery_port_of_the_environment() {
    within(async {
        let private = Keys::generate();
        let keys = Keys::new("from-env", private.as_str());
        let builder = Parity::master().keys(&keys).bind("127.0.0.1:0");
        let master = builder.discovery_port(0).start().await.unwrap();
        let discovery = master.discovery_addr().unwrap().port().to_string();
        let mut child = start(&[
            ("MESH_PUBLIC_KEY", "from-env"),
            ("MESH_PRIVATE_KEY", &private),
            ("MESH_DISCOVERY_PORT", &discovery),
            ("MESH_BIND", "127.0.0.1:0"),
        ]);
        let line = first_line(&mut child).await;
        assert!(line.starts_with("Back/"), "{line}");
        assert_eq!(master.nodes().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_missing_or_wrong_in_the_environment_is_named() {
    within(async {
        let keys = [("MESH_PUBLIC_KEY", "p"), ("MESH_PRIVATE_KEY", "q")];
        let cases: [(&[(&str, &str)], &str); 5] = [
            (&[], "MESH_PUBLIC_KEY and MESH_PRIVATE_KEY"),
            (&[keys[0], keys[1], ("MESH_BIND", "somewhere")], "MESH_BIND"),
            (
                &[keys[0], keys[1], ("MESH_MASTER", "host:nine")],
                "MESH_MASTER",
            ),
            (
                &[keys[0], keys[1], ("MESH_INSTANCE", "a b")],
                "MESH_INSTANCE",
            ),
            (
                &[keys[0], keys[1], ("MESH_DISCOVERY_PORT", "x")],
                "MESH_DISCOVERY_PORT",
            ),
        ];
        for (variables, named) in cases {
            let mut child = start(variables);
            let mut said = String::new();
            let output = child.stdout.as_mut().unwrap();
            output.read_to_string(&mut said).await.unwrap();
            assert!(said.contains(named), "{variables:?}: {said}");
            assert_eq!(child.wait().await.unwrap().code(), Some(1));
        }
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_process_that_is_told_to_end_says_goodbye_to_its_peers() {
    within(async {
        let (_master, mut child, front) = meet(&[]).await;
        let mut events = front.events();
        mesh_tests::signal(child.id().unwrap(), "TERM");
        let disconnection = event(&mut events, |event| match event {
            Event::LinkDown { reason, .. } => Some(reason),
            _ => None,
        });
        assert_eq!(
            disconnection.await,
            CloseReason::Goodbye(CloseCode::ShuttingDown)
        );
        assert_eq!(child.wait().await.unwrap().code(), Some(0));
    })
    .await;
}

#[tokio::test]
async fn jobs_go_to_the_redis_of_the_environment() {
    within(async {
        let redis = RedisServer::start().await;
        let url = redis.url();
        let more = [("MESH_INSTANCE", "named-by-env"), ("MESH_REDIS_URL", &*url)];
        let (_master, _child, front) = meet(&more).await;
        front.client::<Back>().job("x".into()).await.unwrap();
        let keys = redis.command(&["KEYS", "*"]).await;
        assert!(
            keys.contains("mesh:{Parity/Back.job}:jobs"),
            "its stream: {keys}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_redis_of_the_environment_that_is_not_there_is_told_without_its_password() {
    within(async {
        let nobody = HeldPort::any();
        let url = format!("redis://:a-password@{}", nobody.addr());
        let mut child = start(&[
            ("MESH_PUBLIC_KEY", "from-env"),
            ("MESH_PRIVATE_KEY", "x"),
            ("MESH_MASTER", "127.0.0.1:9"),
            ("MESH_BIND", "127.0.0.1:0"),
            ("MESH_REDIS_URL", &url),
        ]);
        let line = first_line(&mut child).await;
        assert!(line.contains("MESH_REDIS_URL"), "{line}");
        let hint = format!("does Redis run at {}", nobody.addr());
        assert!(line.contains(&hint), "{line}");
        assert!(!line.contains("a-password"), "{line}");
        assert!(!child.wait().await.unwrap().success());
    })
    .await;
}
