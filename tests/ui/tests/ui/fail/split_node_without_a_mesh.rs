//! A node that no schema takes in.

mod billing {
    mesh_runtime::mesh_node! {
        pub node Billing {}
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;
}

fn main() {
    let _ = billing::Billing::node();
}
