//! A mesh of which some nodes are processes of their own, which can be frozen and killed.

use std::{net::SocketAddr, process::Stdio};

use mesh_runtime::{Keys, Master, Node, NodeBuilder};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::mpsc,
};

use crate::support::{
    hard::{Caller, Hands, Hard, Worker},
    log,
    proxy::Proxy,
};

/// Another process of the mesh. Killed when dropped; it also ends by itself if this process is killed.
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) async fn start(
        role: &str,
        argument: &str,
        private: &str,
        master: Option<SocketAddr>,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mesh-node"));
        command
            .args([role, argument])
            .env("MESH_PUBLIC_KEY", "Hard")
            .env("MESH_PRIVATE_KEY", private)
            .env("MESH_BIND", "127.0.0.1:0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some(master) = master {
            command.env("MESH_MASTER", master.to_string());
        }
        let mut child = command.spawn().unwrap();
        let output = child.stdout.take().expect("it is piped");
        Self {
            child,
            lines: BufReader::new(output).lines(),
        }
    }

    /// Waits for a line with this prefix, and returns the rest.
    pub(crate) async fn says(&mut self, beginning: &str) -> String {
        loop {
            let line = self.lines.next_line().await.unwrap();
            let line = line.expect("the process has ended");
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        mesh_tests::signal(self.child.id().expect("it runs"), signal);
    }

    /// Kills it, like `kill -9`.
    pub(crate) async fn kill(mut self) {
        self.signal("KILL");
        self.child.wait().await.unwrap();
    }
}

/// A mesh whose master and caller are in this process.
pub(crate) struct Here {
    private: String,
    pub(crate) keys: Keys,
    pub(crate) master: Master,
}

impl Here {
    pub(crate) async fn new() -> Self {
        log::start();
        let private = Keys::generate();
        let keys = Keys::new("Hard", &*private);
        let master = Hard::master()
            .keys(&keys)
            .bind("127.0.0.1:0")
            .without_discovery()
            .start()
            .await
            .unwrap();
        Self {
            private,
            keys,
            master,
        }
    }

    pub(crate) async fn worker_process(&self, instance: &str) -> Process {
        self.process("worker", instance).await
    }

    /// A worker that does what its role says.
    pub(crate) async fn process(&self, role: &str, instance: &str) -> Process {
        let master = Some(self.master.addr());
        let mut worker = Process::start(role, instance, &self.private, master).await;
        worker.says("listening").await;
        worker
    }

    pub(crate) async fn caller(
        &self,
        set: impl FnOnce(NodeBuilder<Caller>) -> NodeBuilder<Caller>,
    ) -> Node<Caller> {
        let caller = Caller::node()
            .keys(&self.keys)
            .master(self.master.addr())
            .bind("127.0.0.1:0");
        let caller = set(caller).start().await.unwrap();
        caller.ready::<Worker>(1).await.unwrap();
        caller
    }

    /// A worker in this process that others reach through a proxy.
    pub(crate) async fn worker_behind(
        &self,
        proxy: &Proxy,
    ) -> (Node<Worker>, mpsc::UnboundedReceiver<String>) {
        let (hands, held, _) = Hands::new();
        let worker = Worker::node(hands)
            .keys(&self.keys)
            .master(self.master.addr())
            .bind("127.0.0.1:0")
            .advertise(proxy.addr().to_string())
            .start()
            .await
            .unwrap();
        proxy.lead_to(worker.addr());
        (worker, held)
    }
}
