//! A plain struct, and the mesh itself: one error for each, on a node, in a handler and while waiting for a link.

use mesh_runtime::{Context, Node, mesh_schema};

struct Order;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing];
    }

    node Billing {
        allow: [Gateway];
        balanced fn charge() -> u8;
    }
}

async fn call(gateway: Node<Gateway>, context: Context<Billing>) {
    let _ = gateway.client::<Order>();
    let _ = gateway.client::<Shop>().charge().await;
    let _ = context.client::<Order>();
    let _ = gateway.ready::<Order>(1).await;
}

fn main() {
    let _ = call;
}
