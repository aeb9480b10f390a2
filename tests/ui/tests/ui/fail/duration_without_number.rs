//! How many?

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[timeout = "s"]
        balanced fn charge();
        #[timeout = ""]
        balanced fn refund();
    }
}

fn main() {}
