//! A schema declares one mesh.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    mesh Store;

    node Billing {}
}

fn main() {}
