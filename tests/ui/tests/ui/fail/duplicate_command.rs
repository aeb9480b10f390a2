//! The second is left out; handler and callers are not troubled.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge() -> u8;
        broadcast fn charge();
    }
}

struct Ledger;

impl BillingHandler for Ledger {
    async fn charge(&self, _cx: mesh_runtime::Context<Billing>) -> u8 {
        1
    }
}

fn main() {
    let _ = Billing::node(Ledger);
}
