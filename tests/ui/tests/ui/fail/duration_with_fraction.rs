//! Whole numbers.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[timeout = "1.5s"]
        balanced fn charge();
    }
}

fn main() {}
