//! Flags and environment variables that several processes share. The runtime reads the rest of `MESH_*` itself.

use std::time::Duration;

use clap::Args;
use mesh_runtime::Keys;

/// The keys of processes that are started by hand without other keys. They are published here, so they are no secret;
/// `shop run` generates keys of its own.
const DEMO_PUBLIC_KEY: &str = "shop-demo";
const DEMO_PRIVATE_KEY: &str = "a-demo-key-that-everybody-knows";

/// How long a node that shuts down may take to finish its work.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// The keys of the mesh: the same for all of its processes.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The public name of the mesh
    #[arg(long, env = "MESH_PUBLIC_KEY", default_value = DEMO_PUBLIC_KEY, value_name = "TEXT")]
    public_key: String,

    /// The private key of the mesh: any text. Better given by the environment, because lists of processes show command
    /// lines. The default is for trying out only: everybody knows it
    #[arg(
        long,
        env = "MESH_PRIVATE_KEY",
        hide_env_values = true,
        default_value = DEMO_PRIVATE_KEY,
        value_name = "TEXT"
    )]
    private_key: String,
}

impl KeyArgs {
    pub(crate) fn keys(&self) -> Keys {
        Keys::new(self.public_key.clone(), self.private_key.clone())
    }
}

/// What every node needs.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(flatten)]
    pub(crate) keys: KeyArgs,

    /// Where the master is
    #[arg(
        long,
        env = "MESH_MASTER",
        default_value = "127.0.0.1:7000",
        value_name = "HOST:PORT"
    )]
    pub(crate) master: String,

    /// Where to listen; port 0 is any free port
    #[arg(
        long,
        env = "MESH_BIND",
        default_value = "127.0.0.1:0",
        value_name = "HOST:PORT"
    )]
    pub(crate) bind: String,

    /// The instance id, unique among the nodes of its type; random if not given
    #[arg(long, env = "MESH_INSTANCE", value_name = "ID")]
    pub(crate) instance: Option<String>,
}
