//! Who may call a command needs a link, across modules too; nobody is refused on top.

mod audit {
    mesh_runtime::mesh_node! {
        pub node Audit {
            allow: [Gateway];

            #[allow(Billing)]
            balanced fn record();
        }
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    node audit::Audit;

    node Billing {}

    node Gateway {
        connect: [Audit];
    }
}

async fn call(gateway: mesh_runtime::Node<Gateway>) {
    let _ = gateway.client::<audit::Audit>().record().await;
}

fn main() {
    let _ = call;
}
