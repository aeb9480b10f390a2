//! A node in a process of its own, which can be frozen.

use std::{
    env,
    io::Read,
    process::{Child, Command, Stdio},
};

use super::{Desk, Mesh, signal, v1};

/// Set if this program is to be a node.
const VARIABLE: &str = "MESH_CLI_TESTS_NODE";
/// The test that is the node then.
const TEST: &str = "a_node_in_a_process_of_its_own";

/// An instance of `Billing` of the first version. Killed when dropped; it also ends when the test ends.
pub(crate) struct NodeProcess(Child);

impl NodeProcess {
    /// Starts it, and waits until it is registered as one of so many nodes.
    pub(crate) async fn start(mesh: &Mesh, instance: &str, nodes: usize) -> Self {
        let module = module_path!().split_once("::").expect("a crate").1;
        let child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", &format!("{module}::{TEST}")])
            .env(VARIABLE, "1")
            .env("MESH_PUBLIC_KEY", mesh.keys.public())
            .env("MESH_PRIVATE_KEY", &mesh.private)
            .env("MESH_MASTER", mesh.master.addr().to_string())
            .env("MESH_BIND", "127.0.0.1")
            .env("MESH_INSTANCE", instance)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("this program runs");
        let process = Self(child);
        assert!(mesh.master.wait_for_nodes(nodes).await);
        process
    }

    /// Freezes it: its connections stay open, and nothing is answered.
    pub(crate) fn freeze(&self) {
        signal(self.0.id(), "STOP");
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does nothing as a test. In a process that [`NodeProcess::start`] has started, runs a node until its input closes.
#[test]
fn a_node_in_a_process_of_its_own() {
    if env::var_os(VARIABLE).is_none() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let node = runtime.block_on(async {
        let (desk, _) = Desk::new();
        v1::Billing::node(desk).start().await
    });
    let _node = node.expect("the master takes the node in");
    // It ends with the process that started it, whatever is in the input.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
