//! Each is said once, at its place, and none hides another.

use mesh_runtime::{Context, JobError, Node, mesh_schema};

mesh_schema! {
    mesh Shop;

    node Gateway {
        allow: [];
        connect: [Billing, Audit, Warehouse];
    }

    /// Charges customers.
    node Billing {
        allow: [Gatway];

        #[timeout = "2 parsecs"]
        balanced fn charge(order: &Order) -> u8;

        queued broadcast fn reindex(day: u8) -> u8;

        balanced broadcast fn both();

        #[idempotent]
        broadcast fn flush(reason: String);

        balanced fn fine(day: u8) -> u8;
    }

    node Audit {
        allow: any
        balance fn record(event: u8);
    }
}

struct Order;

struct Ledger;

impl BillingHandler for Ledger {
    async fn charge(&self, cx: Context<Billing>, _order: &Order) -> u8 {
        cx.client::<Gateway>();
        1
    }
    async fn reindex(&self, _cx: Context<Billing>, _day: u8) -> Result<(), JobError> {
        Ok(())
    }
    async fn both(&self, _cx: Context<Billing>) {}
    async fn flush(&self, _cx: Context<Billing>, _reason: String) {}
    async fn fine(&self, _cx: Context<Billing>, day: u8) -> u8 {
        day
    }
}

async fn call(gateway: Node<Gateway>) {
    let billing = gateway.client::<Billing>();
    let _ = billing.charge(&Order).await;
    let _ = billing.reindex(1).await;
    let _ = billing.both().await;
    let _ = billing.flush("sale".to_string()).await;
    let _ = billing.fine(1).await;
    let _ = gateway.client::<Audit>().record(1).await;
}

fn main() {
    let _ = (call, Billing::node(Ledger), Gateway::node(), Shop::SCHEMA);
}
