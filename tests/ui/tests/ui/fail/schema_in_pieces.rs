//! Whatever is left of a schema is still read.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing];
        balanced fn
    }

    node {
        allow: [Gateway];
    }

    node Billing {
        allow: [Gateway];
        = ;
        balanced fn charge(order: Vec<, sum: u8) -> u8;
        balanced fn refund(order: u8) -> ;
        broadcast flush();
    }
}

fn main() {}
