//! A node is declared here, or elsewhere.

use mesh_runtime::mesh_schema;

mesh_schema! {
    pub mesh Shop;

    node billing::Billing {
        balanced fn charge();
    }
}

struct Ledger;

impl BillingHandler for Ledger {
    async fn charge(&self, _cx: mesh_runtime::Context<Billing>) {}
}

fn main() {
    let _ = Billing::node(Ledger);
}
