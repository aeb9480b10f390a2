//! Plain names only.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [crate::Billing];
    }

    node Billing {
        allow: [Gateway];
    }
}

fn main() {}
