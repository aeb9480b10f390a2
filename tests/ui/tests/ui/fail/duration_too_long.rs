//! A year at most.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[timeout = "99999h"]
        balanced fn charge();
        #[timeout = "99999999999999999999s"]
        balanced fn refund();
    }
}

fn main() {}
