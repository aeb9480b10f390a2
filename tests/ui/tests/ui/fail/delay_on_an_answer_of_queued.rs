//! A broadcast of one's own that answers with a `Queued` is a call like any other: there is no job to delay.

use mesh_runtime::{Node, Queued, mesh_schema};

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Billing];
    }

    node Billing {
        allow: [Gateway];
        broadcast fn last_job() -> Queued;
        queued broadcast fn reindex();
    }
}

fn call(gateway: Node<Gateway>) {
    let pause = std::time::Duration::from_secs(1);
    let _ = gateway.client::<Billing>().reindex().delay(pause);
    let _ = gateway.client::<Billing>().last_job().delay(pause);
}

fn main() {
    let _ = call;
}
