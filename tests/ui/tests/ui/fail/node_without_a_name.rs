//! The name is missing, and the next node is read all the same.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node {}

    node Billing {
        allow: [Biling];
    }
}

fn main() {}
