//! The error points at the type, where its node is declared.

mod billing {
    pub struct Order;

    mesh_runtime::mesh_node! {
        pub node Billing {
            allow: any;
            balanced fn charge(order: Order);
        }
    }
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;

    node billing::Billing;
}

fn main() {}
