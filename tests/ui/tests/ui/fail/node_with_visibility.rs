//! A node is as visible as its mesh.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    pub node Billing {}
}

fn main() {}
