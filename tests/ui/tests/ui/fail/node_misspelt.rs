//! The keyword is misspelt; links to the node stay in order.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    nod Gateway {
        connect: [Billing];
    }

    node Billing {
        allow: [Gateway];
    }
}

fn main() {}
