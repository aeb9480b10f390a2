//! The link is there, but the command is for others.

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

async fn call(board: Node<Board>) {
    let audit = board.client::<Audit>();
    let _ = audit.count().await;
    let _ = audit.record(1).await;
}

fn main() {
    let _ = call;
}
