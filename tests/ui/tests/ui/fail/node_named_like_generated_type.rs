//! The stub and the handler of a node have names too.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge();
    }

    node BillingClient {}

    node BillingHandler {}
}

fn main() {}
