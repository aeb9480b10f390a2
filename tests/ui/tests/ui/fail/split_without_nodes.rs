//! A `mesh_node!` without a node.

use mesh_runtime::mesh_node;

mesh_node! {
    runtime = ::mesh_runtime;
}

fn main() {}
