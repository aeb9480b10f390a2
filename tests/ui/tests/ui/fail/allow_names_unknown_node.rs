//! A near name is proposed; callers are not refused on top.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing];
    }

    node Billing {
        allow: [Gateway];

        #[allow(Gatway)]
        balanced fn charge();
    }
}

async fn call(gateway: mesh_runtime::Node<Gateway>) {
    let _ = gateway.client::<Billing>().charge().await;
}

fn main() {
    let _ = call;
}
