//! Owned types travel; handler and callers are not troubled.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: &str, all: &[u8]) -> Option<&'static u64>;
    }
}

struct Ledger;

impl BillingHandler for Ledger {
    async fn charge(&self, _cx: mesh_runtime::Context<Billing>, _order: &str, _all: &[u8]) -> Option<&'static u64> {
        None
    }
}

fn main() {
    let _ = Billing::node(Ledger);
}
