//! A node needs braces, even empty ones; links to it stay in order.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway;

    node Billing {
        allow: [Gateway];
    }
}

fn main() {}
