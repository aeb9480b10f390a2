//! Another type than the schema says.

use mesh_runtime::{Context, mesh_schema};

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
    async fn charge(&self, _cx: Context<Billing>, order: u16) -> u8 {
        order as u8
    }
}

fn main() {
    let _ = Billing::node(Ledger);
}
