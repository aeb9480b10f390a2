//! What is declared elsewhere is taken in by its path.

mod billing {
    mesh_runtime::mesh_node! {
        pub node Billing {}
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    use billing::Billing;
}

fn main() {}
