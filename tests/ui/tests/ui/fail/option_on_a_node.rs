//! Options belong to commands.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    #[timeout = "2s"]
    node Billing {}

    #[deprecated]
    node Audit {}
}

fn main() {}
