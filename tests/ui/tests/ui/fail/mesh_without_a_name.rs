//! The name is missing.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh;

    node Billing {}
}

fn main() {}
