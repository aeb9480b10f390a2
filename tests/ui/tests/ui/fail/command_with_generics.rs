//! What travels has one type; handler and callers are not troubled.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge<T>(order: T);
    }
}

struct Ledger;

impl BillingHandler for Ledger {
    async fn charge<T>(&self, _cx: mesh_runtime::Context<Billing>, _order: T) {}
}

fn main() {
    let _ = Billing::node(Ledger);
}
