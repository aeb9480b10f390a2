//! A node with a mistake in a list, one in a command's callers, and one in an option.

mesh_runtime::mesh_node! {
    pub node Billing {
        allow: [Gatway, Gateway];

        #[timeuot = "1s"]
        balanced fn charge();

        #[allow(Gatewy)]
        balanced fn refund();
    }
}

pub struct Ledger;

impl BillingHandler for Ledger {
    async fn charge(&self, _cx: mesh_runtime::Context<Billing>) {}
    async fn refund(&self, _cx: mesh_runtime::Context<Billing>) {}
}
