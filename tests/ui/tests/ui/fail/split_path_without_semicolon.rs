//! The next item is read all the same.

mod billing {
    mesh_runtime::mesh_node! {
        pub node Billing {}
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    node billing::Billing

    node Gateway {}
}

fn main() {
    let _ = (billing::Billing::node(), Gateway::node());
}
