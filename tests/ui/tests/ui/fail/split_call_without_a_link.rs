//! Access is checked across modules.

mod billing {
    mesh_runtime::mesh_node! {
        pub node Billing {
            allow: [Gateway];
            balanced fn charge();
        }
    }
}

mod audit {
    mesh_runtime::mesh_node! {
        pub node Audit {
            connect: [Gateway];

            #[allow(Gateway)]
            balanced fn record();
        }
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    node billing::Billing;
    node audit::Audit;

    node Gateway {
        allow: [Audit];
        connect: [Billing];
    }
}

async fn call(audit: mesh_runtime::Node<audit::Audit>) {
    let _ = audit.client::<billing::Billing>();
}

fn main() {
    let _ = call;
}
