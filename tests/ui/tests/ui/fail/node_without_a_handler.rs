//! A node type with commands needs one.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing];
    }

    node Billing {
        allow: [Gateway];
        connect: [Audit];

        balanced fn charge(order: u8) -> u8;
    }

    node Audit {
        allow: any;

        #[allow(Billing)]
        balanced fn record(event: u8);
        balanced fn count() -> u64;
    }

    node Board {
        connect: [Audit];
    }
}

struct Ledger;

fn main() {
    let _ = Billing::node();
    let _ = Audit::node(Ledger);
}
