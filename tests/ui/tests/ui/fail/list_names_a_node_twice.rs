//! Each node once.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing, Billing];
    }

    node Billing {
        allow: [Gateway, Gateway];
    }
}

fn main() {}
