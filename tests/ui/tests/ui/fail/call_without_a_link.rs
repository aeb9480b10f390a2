//! The design's own example: the schema has no such link.

use mesh_runtime::{Node, mesh_schema};

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing];
    }

    node Billing {
        allow: [Gateway];
        connect: [Audit];

        balanced fn charge(order: u8) -> u8;
    }

    node Audit {
        allow: any;

        #[allow(Billing)]
        balanced fn record(event: u8);
        balanced fn count() -> u64;
    }

    node Board {
        connect: [Audit];
    }
}

fn call(gateway: Node<Gateway>) {
    gateway.client::<Audit>();
}

fn main() {
    let _ = call;
}
