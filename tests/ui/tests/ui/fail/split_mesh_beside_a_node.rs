//! `mesh_node!` declares nodes; the mesh stands in one place.

mod billing {
    mesh_runtime::mesh_node! {
        pub mesh Billings;

        pub node Billing {}
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    node billing::Billing;
}

fn main() {}
