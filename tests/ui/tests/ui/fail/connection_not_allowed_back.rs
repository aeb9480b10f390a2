//! Both sides must agree; callers are not refused on top.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: [Audit];
    }

    node Audit {
        allow: [];
        balanced fn record();
    }
}

struct Log;

impl AuditHandler for Log {
    async fn record(&self, _cx: mesh_runtime::Context<Audit>) {}
}

async fn call(gateway: mesh_runtime::Node<Gateway>) {
    let _ = gateway.client::<Audit>().record().await;
}

fn main() {
    let _ = (call, Audit::node(Log));
}
