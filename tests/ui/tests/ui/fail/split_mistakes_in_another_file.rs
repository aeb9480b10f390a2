//! Mistakes of a node that is declared elsewhere are said there, those of its lists too, and once.

#[path = "elsewhere/misspelt.rs"]
mod misspelt;

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    node misspelt::Billing;

    node Gateway {
        connect: [Billing];
    }
}

async fn call(gateway: mesh_runtime::Node<Gateway>) {
    let _ = gateway.client::<misspelt::Billing>().charge().await;
    let _ = gateway.client::<misspelt::Billing>().refund().await;
}

fn main() {
    let _ = (call, misspelt::Billing::node(misspelt::Ledger));
}
