//! `mesh_node!` declares nodes; the mesh stands in one place.

use mesh_runtime::mesh_node;

mesh_node! {
    pub mesh Shop;

    pub node Billing {}
}

fn main() {}
