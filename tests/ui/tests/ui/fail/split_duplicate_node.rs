//! Names are unique in the whole mesh.

mod billing {
    mesh_runtime::mesh_node! {
        pub node Billing {}
    }
}

mod invoices {
    mesh_runtime::mesh_node! {
        pub node Billing {}
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    node billing::Billing;
    node invoices::Billing;
    node billing::Billing;
}

fn main() {
    let _ = (billing::Billing::node(), invoices::Billing::node());
}
