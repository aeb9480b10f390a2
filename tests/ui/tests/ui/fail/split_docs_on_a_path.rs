//! The docs of a node stand where it is declared.

mod billing {
    mesh_runtime::mesh_node! {
        pub node Billing {}
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    /// Charges customers.
    node billing::Billing;
}

fn main() {
    let _ = billing::Billing::node();
}
