//! A path that leads to no node: the compiler's own words.

mod billing {
    mesh_runtime::mesh_node! {
        pub node Billing {}
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    node billing::Biling;

    node Gateway {
        connect: [Billing];
    }
}

fn main() {
    let _ = Gateway::node();
}
