//! Both sides must agree, also over two files; callers are not refused on top.

#[path = "elsewhere/audit.rs"]
mod audit;

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    node audit::Audit;

    node Gateway {
        connect: [Audit];
    }
}

async fn call(gateway: mesh_runtime::Node<Gateway>) {
    let _ = gateway.client::<audit::Audit>().record().await;
}

fn main() {
    let _ = (call, audit::Audit::node(audit::Log));
}
