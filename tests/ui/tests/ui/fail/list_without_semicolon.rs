//! The semicolon is missing; what follows is read all the same.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing]
    }

    node Billing {
        allow: [Gateway]
        balanced fn charge(self);
    }
}

fn main() {}
