//! The mesh is part of what a node type tells of itself.

mod billing {
    mesh_runtime::mesh_node! {
        pub node Billing {}
    }
}

mesh_runtime::mesh_schema! {
    mesh Shop;

    node billing::Billing;
}

fn main() {
    let _ = billing::Billing::node();
}
