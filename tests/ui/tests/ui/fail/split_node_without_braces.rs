//! A node that is declared beside its types has braces too.

mod billing {
    mesh_runtime::mesh_node! {
        pub node Billing;
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;
    node billing::Billing;
}

fn main() {
    let _ = billing::Billing::node();
}
