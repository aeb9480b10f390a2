//! A command's own `#[allow(..)]` is checked across modules.

mod audit {
    mesh_runtime::mesh_node! {
        pub node Audit {
            allow: [Gateway, Billing];

            #[allow(Billing)]
            balanced fn record();
        }
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    node audit::Audit;

    node Billing {
        connect: [Audit];
    }

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
