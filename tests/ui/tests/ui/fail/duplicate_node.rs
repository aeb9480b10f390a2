//! The second is left out, and mistakes elsewhere are still found.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {}

    node Billing {
        allow: [Biling];
    }

    node Audit {
        connect: [Biling];
    }
}

fn main() {}
