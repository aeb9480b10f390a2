//! The context is missing.

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

impl BillingHandler for Ledger {
    async fn charge(&self, order: u8) -> u8 {
        order
    }
}

fn main() {
    let _ = Billing::node(Ledger);
}
