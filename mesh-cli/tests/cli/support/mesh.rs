//! A mesh in this process, and the command with its keys.

use std::{path::Path, time::Duration};

use mesh_runtime::{
    Heartbeat, Keys, Master, Node, NodeBuilder, NodeType, Queued, metrics::Direction,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{Cli, Desk, Hearing, LONG, SLOW, order, types::Entry, until, v1};

/// The public name of the meshes.
const PUBLIC: &str = "shop-in-tests";
/// A master that keeps nodes that say nothing for longer than any test lasts.
const PATIENT: Heartbeat = Heartbeat::every(Duration::from_secs(2)).silence(LONG);

/// A master of the first version, on loopback. Its keys are known as texts, which the command needs.
pub(crate) struct Mesh {
    pub(crate) keys: Keys,
    pub(crate) private: String,
    pub(crate) master: Master,
    config: TempDir,
}

impl Mesh {
    /// Starts the master.
    pub(crate) async fn start() -> Self {
        Self::with_keys(PUBLIC, &Keys::generate()).await
    }

    /// The same with given keys.
    pub(crate) async fn with_keys(public: &str, private: &str) -> Self {
        let keys = Keys::new(public, private);
        let master = v1::Shop::master()
            .keys(&keys)
            .bind("127.0.0.1:0")
            .without_discovery()
            .heartbeat(PATIENT)
            .start()
            .await
            .expect("a port of the loopback interface");
        Self {
            keys,
            private: private.to_owned(),
            master,
            config: TempDir::new().expect("a directory for temporary files"),
        }
    }

    /// Where the command looks for profiles: an empty directory at first.
    pub(crate) fn config(&self) -> &Path {
        self.config.path()
    }

    /// Starts a node of any version.
    pub(crate) async fn node<N: NodeType>(&self, node: NodeBuilder<N>, instance: &str) -> Node<N> {
        node.keys(&self.keys)
            .master(self.master.addr())
            .bind("127.0.0.1:0")
            .instance(instance)
            .start()
            .await
            .expect("the master takes the node in")
    }

    /// Starts `g1`, `b1` and `a1`, one node of each type, and waits until they are linked.
    pub(crate) async fn trio(&self) -> Trio {
        let (desk, heard) = Desk::new();
        let audit = self.node(v1::Audit::node(desk.clone()), "a1").await;
        let billing = self.node(v1::Billing::node(desk.clone()), "b1").await;
        let gateway = self.node(v1::Gateway::node(), "g1").await;
        billing.ready::<v1::Audit>(1).await.expect("a link");
        gateway.ready::<v1::Billing>(1).await.expect("a link");
        assert!(self.master.wait_for_nodes(3).await);
        Trio {
            gateway,
            billing,
            audit,
            desk,
            heard,
        }
    }

    /// Waits until the master no longer lists a node of this type.
    pub(crate) async fn without(&self, node_type: &str) {
        let is_there = || {
            let nodes = self.master.nodes();
            nodes.iter().any(|node| *node.id.node_type == *node_type)
        };
        until(async || !is_there()).await;
    }

    /// The command with the keys and the master of this mesh.
    pub(crate) fn hasty_cli(&self, args: &[&str]) -> Cli {
        Cli::new(args)
            .env("XDG_CONFIG_HOME", self.config())
            .env("MESH_MASTER", self.master.addr().to_string())
            .env("MESH_PUBLIC_KEY", self.keys.public())
            .env("MESH_PRIVATE_KEY", &*self.private)
    }

    /// The same with more time for each node, as a busy machine needs it.
    pub(crate) fn cli(&self, args: &[&str]) -> Cli {
        self.hasty_cli(&[&["--node-timeout", "20s"][..], args].concat())
    }
}

/// One node of each type, linked, with one desk.
pub(crate) struct Trio {
    pub(crate) gateway: Node<v1::Gateway>,
    pub(crate) billing: Node<v1::Billing>,
    pub(crate) audit: Node<v1::Audit>,
    pub(crate) desk: Desk,
    pub(crate) heard: Hearing,
}

impl Trio {
    /// What a handler reports next.
    pub(crate) async fn hears(&mut self) -> String {
        self.heard.recv().await.expect("the desk is there")
    }

    /// Makes a call that waits at the gate, and waits until it does. What is returned ends with the answer.
    pub(crate) async fn charge_slowly(&mut self) -> JoinHandle<()> {
        let billing = self.gateway.client::<v1::Billing>();
        let call = tokio::spawn(async move {
            let answer = billing.charge(order(SLOW)).timeout(LONG).await;
            answer.expect("an answer").expect("a receipt");
        });
        assert_eq!(self.hears().await, SLOW);
        call
    }

    /// Waits until `b1` shuts down.
    pub(crate) async fn is_draining(&self) {
        let draining = self.billing.shutting_down().await;
        draining.expect("nobody takes its place");
    }

    /// Queues a job.
    pub(crate) async fn record(&self, entry: Entry) -> Queued {
        let queued = self.billing.client::<v1::Audit>().record(entry).await;
        queued.expect("the queue takes the job")
    }

    /// Queues jobs with the numbers 1, 2 and so on that fail with these errors, and waits until all of them are dead.
    pub(crate) async fn dead_letters(&self, errors: &[&str]) {
        for (id, error) in (1..).zip(errors) {
            let entry = Entry {
                id,
                text: format!("entry {id}"),
                fails_with: Some((*error).to_owned()),
            };
            self.record(entry).await;
        }
        let number = errors.len() as u64;
        until(async || self.dead().await == number).await;
    }

    /// How many dead letters there are.
    pub(crate) async fn dead(&self) -> u64 {
        let stats = self.audit.queues().record().stats().await;
        stats.expect("the engine is there").dead
    }

    /// How many calls of a command `b1` has served.
    pub(crate) fn served(&self, command: &str) -> u64 {
        let commands = self.billing.metrics().commands;
        let mut commands = commands.iter();
        let counted = commands
            .find(|counted| counted.command == command && counted.direction == Direction::Server);
        counted.expect("a command of Billing").count()
    }
}
