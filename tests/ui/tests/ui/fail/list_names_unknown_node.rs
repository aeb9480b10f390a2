//! Near names are proposed.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Biling];
    }

    node Billing {
        allow: [Gatway, Warehouse];
    }
}

fn main() {}
