//! The mesh itself is not declared.

use mesh_runtime::mesh_schema;

mesh_schema! {
    node Billing {}
}

fn main() {}
