//! Said once for each type, where the schema first names it; handler and callers are not told.

use mesh_runtime::{Context, Node, mesh_schema};

struct Order;

#[derive(serde::Serialize)]
struct Receipt;

mesh_schema! {
    mesh Shop;

    node Billing {
        allow: [Billing];
        connect: [Billing];
        balanced fn charge(order: Order) -> Receipt;
        balanced fn refund(order: Order) -> Receipt;
        broadcast fn receipts() -> Receipt;
    }
}

struct Ledger;

impl BillingHandler for Ledger {
    async fn charge(&self, _cx: Context<Billing>, _order: Order) -> Receipt {
        Receipt
    }
    async fn refund(&self, _cx: Context<Billing>, _order: Order) -> Receipt {
        Receipt
    }
    async fn receipts(&self, _cx: Context<Billing>) -> Receipt {
        Receipt
    }
}

async fn call(node: Node<Billing>) {
    let _ = node.client::<Billing>().charge(Order);
}

fn main() {
    let _ = (call, Billing::node(Ledger));
}
