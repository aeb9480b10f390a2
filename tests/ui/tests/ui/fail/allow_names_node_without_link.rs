//! Whom no link leads here cannot call.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing];
    }

    node Audit {}

    node Billing {
        allow: [Gateway];

        #[allow(Gateway, Audit, Gateway)]
        balanced fn charge();
    }
}

fn main() {}
