//! Each option once.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[timeout = "2s"]
        #[timeout = "3s"]
        balanced fn charge();
    }
}

fn main() {}
