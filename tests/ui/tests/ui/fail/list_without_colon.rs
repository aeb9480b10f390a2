//! The colon is missing, or another sign in its place.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect [Billing];
    }

    node Billing {
        allow = [Gateway];
    }
}

fn main() {}
