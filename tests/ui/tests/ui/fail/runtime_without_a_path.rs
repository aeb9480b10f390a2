//! The path of the runtime is missing.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    runtime = "mesh";

    node Billing {}
}

fn main() {}
