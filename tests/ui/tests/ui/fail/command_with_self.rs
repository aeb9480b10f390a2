//! The handler has it anyway; it is not troubled.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(&self, order: u8);
        balanced fn refund(mut self);
    }
}

struct Ledger;

impl BillingHandler for Ledger {
    async fn charge(&self, _cx: mesh_runtime::Context<Billing>, _order: u8) {}
    async fn refund(&self, _cx: mesh_runtime::Context<Billing>) {}
}

fn main() {
    let _ = Billing::node(Ledger);
}
