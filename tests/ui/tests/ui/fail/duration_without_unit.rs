//! Two of what?

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[timeout = "2"]
        balanced fn charge();
        #[timeout = 2]
        balanced fn refund();
    }
}

fn main() {}
