//! Nothing readable is on the wire. Built with `--cfg mesh_sealing_switch`, this test also proves that it would detect
//! readable data. One test, alone in its process, because sealing is switched off for a whole process.

mod support;

use mesh_runtime::testing::TestMesh;
use support::{
    hard::{Caller, Hands, Hard, Worker, command},
    proxy::{Proxy, Recording},
    websocket, within,
};

/// Recognizable texts that must not appear on the wire.
const CALLER: &str = "recognizable-instance-of-a-caller-4711";
const WORKER: &str = "recognizable-instance-of-a-worker-4712";
const ARGUMENT: &str = "a recognizable argument, such as the number of a credit card";
const BIG: usize = 100_000;

/// See [`Between::shows`].
const SMALL: usize = 2048;

/// Everything that passed between two sides.
struct Between(Vec<Recording>);

impl Between {
    /// Needles of four bytes occur by chance in large sealed data. They are searched for in small payloads only, where
    /// that happens once in a hundred thousand runs.
    fn shows(&self, needle: &[u8]) -> bool {
        let ways = self.0.iter().flat_map(|both| [&both.up, &both.down]);
        if needle.len() > 4 {
            return ways.into_iter().any(|way| websocket::shows(way, needle));
        }
        ways.flat_map(|way| websocket::payloads(way))
            .filter(|payload| payload.len() <= SMALL)
            .any(|payload| payload.windows(needle.len()).any(|window| window == needle))
    }

    /// Bytes of payload each way, by connection.
    fn sizes(&self) -> Vec<(usize, usize)> {
        let size = |way: &[u8]| websocket::payloads(way).concat().len();
        let sizes = |both: &Recording| (size(&both.up), size(&both.down));
        self.0.iter().map(sizes).collect()
    }
}

/// Makes calls between two nodes. Returns what was visible between them, and between them and their master.
async fn calls() -> (Between, Between) {
    let mesh = TestMesh::<Hard>::start().await.unwrap();
    let to_master = Proxy::listen().await;
    to_master.lead_to(mesh.master().addr());
    let to_worker = Proxy::listen().await;
    let (hands, mut done, _) = Hands::new();
    let worker = mesh
        .join(Worker::node(hands))
        .master(to_master.addr())
        .advertise(to_worker.addr().to_string())
        .instance(WORKER)
        .start()
        .await
        .unwrap();
    to_worker.lead_to(worker.addr());
    let caller = mesh
        .join(Caller::node())
        .master(to_master.addr())
        .instance(CALLER)
        .start()
        .await
        .unwrap();
    caller.ready::<Worker>(1).await.unwrap();
    let client = caller.client::<Worker>();
    assert_eq!(client.echo(ARGUMENT.into()).await.unwrap(), ARGUMENT);
    // Large enough for attachments, and for more than one frame.
    let big = ARGUMENT.as_bytes().repeat(BIG / ARGUMENT.len());
    assert!(client.bytes(big.clone()).await.unwrap() == big);
    client.recognizable_errand(ARGUMENT.into()).await.unwrap();
    assert_eq!(done.recv().await.unwrap(), format!("{} bytes", big.len()));
    assert_eq!(done.recv().await.unwrap(), ARGUMENT);
    // The recording must include the closing handshakes.
    caller.shutdown().await;
    worker.shutdown().await;
    (
        Between(to_worker.recordings()),
        Between(to_master.recordings()),
    )
}

/// Checks that what was sent was recorded: by its bytes, however they were batched.
fn assert_looked_at(nodes: &Between, master: &Between) {
    // The text is sent with a call and with a job, and back with the reply; the many bytes are sent there and back.
    let [(up, down)] = nodes.sizes()[..] else {
        panic!("one connection between the nodes: {:?}", nodes.sizes());
    };
    let many = BIG / ARGUMENT.len() * ARGUMENT.len();
    assert!(up > many + 2 * ARGUMENT.len(), "{up} bytes");
    assert!(down > many + ARGUMENT.len(), "{down} bytes");
    // Each node sends its name. The worker registers first; the caller is told of it.
    let [worker, caller] = master.sizes()[..] else {
        panic!("two connections with the master: {:?}", master.sizes());
    };
    assert!(worker.0 > WORKER.len(), "{worker:?} bytes");
    assert!(worker.1 > 0, "{worker:?} bytes");
    assert!(caller.0 > CALLER.len(), "{caller:?} bytes");
    assert!(caller.1 > WORKER.len(), "{caller:?} bytes");
}

/// What must not be readable, by name: what was sent, names of the schema, and the command ids on the wire.
fn secrets() -> Vec<(String, Vec<u8>)> {
    let texts = [
        CALLER,
        WORKER,
        ARGUMENT,
        "Hard",
        "Caller",
        "Worker",
        "echo",
        "recognizable_errand",
        "Worker.echo",
        "Worker.recognizable_errand",
    ];
    let texts = texts.map(|text| (text.to_owned(), text.as_bytes().to_vec()));
    let ids = ["echo", "bytes", "recognizable_errand"].map(|name| {
        (
            format!("the id of {name}"),
            command(name).to_le_bytes().to_vec(),
        )
    });
    texts.into_iter().chain(ids).collect()
}

/// What is readable, between two nodes or between them and their master, of everything that must not be.
fn readable(nodes: &Between, master: &Between) -> Vec<(&'static str, String)> {
    let mut readable = Vec::new();
    for (name, needle) in secrets() {
        for (place, between) in [("nodes", nodes), ("master", master)] {
            if between.shows(&needle) {
                readable.push((place, name.clone()));
            }
        }
    }
    readable
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_readable_is_on_the_wire_unless_sealing_is_switched_off() {
    within(async {
        let (nodes, master) = calls().await;
        assert_looked_at(&nodes, &master);
        assert_eq!(readable(&nodes, &master), []);
        #[cfg(mesh_sealing_switch)]
        and_it_would_be_noticed().await;
    })
    .await;
}

/// Exists only if sealing can be switched off: scripts/test.sh builds the test a second time for this.
#[cfg(mesh_sealing_switch)]
async fn and_it_would_be_noticed() {
    use mesh_runtime::testing::set_sealing;
    set_sealing(false);
    let (nodes, master) = calls().await;
    set_sealing(true);
    assert_looked_at(&nodes, &master);
    let readable = readable(&nodes, &master);
    let seen = |place, name: &str| readable.contains(&(place, name.into()));
    for name in [ARGUMENT, "the id of echo", "the id of recognizable_errand"] {
        assert!(seen("nodes", name), "{name}: {readable:?}");
    }
    // A job's receipt names the instance that has it.
    assert!(seen("nodes", WORKER), "{readable:?}");
    // The caller's view contains the worker.
    assert!(seen("master", WORKER), "{readable:?}");
    // The handshake has its own encryption.
    assert!(!seen("nodes", CALLER), "{readable:?}");
}
