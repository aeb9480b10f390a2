//! Jobs answer nothing; handler and callers are not troubled.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        queued balanced fn export(day: u32) -> u8;
    }
}

struct Ledger;

impl BillingHandler for Ledger {
    async fn export(&self, _cx: mesh_runtime::Context<Billing>, _day: u32) -> Result<(), mesh_runtime::JobError> {
        Ok(())
    }
}

fn main() {
    let _ = Billing::node(Ledger);
}
