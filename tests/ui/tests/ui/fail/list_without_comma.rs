//! Names are parted by commas.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing Audit];
    }

    node Billing {
        allow: [Gateway];
    }

    node Audit {
        allow: [Gateway];
    }
}

fn main() {}
