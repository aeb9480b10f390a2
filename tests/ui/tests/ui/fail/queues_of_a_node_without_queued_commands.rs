//! A node type has queues if it has queued commands.

use mesh_runtime::{Node, mesh_schema};

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing];
    }

    node Billing {
        allow: [Gateway];

        balanced fn charge(order: u8) -> u8;
    }
}

fn look(billing: Node<Billing>) {
    billing.queues();
}

fn main() {
    let _ = look;
}
