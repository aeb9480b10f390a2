//! One list of each kind.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing];
        connect: [Audit];
    }

    node Billing {
        allow: [Gateway];
        allow: any;
    }

    node Audit {
        allow: [Gateway];
    }
}

fn main() {}
