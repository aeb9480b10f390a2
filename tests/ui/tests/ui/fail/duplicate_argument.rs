//! Handler and callers are not troubled.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: u8, order: u8);
    }
}

struct Ledger;

impl BillingHandler for Ledger {
    async fn charge(&self, _cx: mesh_runtime::Context<Billing>, _order: u8, _other: u8) {}
}

fn main() {
    let _ = Billing::node(Ledger);
}
