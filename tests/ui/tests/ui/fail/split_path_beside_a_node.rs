//! Only a schema takes in nodes by path.

use mesh_runtime::mesh_node;

mod billing {
    mesh_runtime::mesh_node! {
        pub node Billing {}
    }
}

mesh_node! {
    node billing::Billing;

    pub node Audit {}
}

mesh_runtime::mesh_schema! {
    pub mesh Shop;
    node billing::Billing;
    node self::Audit;
}

fn main() {
    let _ = (billing::Billing::node(), Audit::node());
}
