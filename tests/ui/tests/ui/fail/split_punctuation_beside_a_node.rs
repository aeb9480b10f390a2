//! Something that starts no node.

mod billing {
    mesh_runtime::mesh_node! {
        = ;

        pub node Billing {}
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;
    node billing::Billing;
}

fn main() {}
