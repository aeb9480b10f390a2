//! The units are listed.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[timeout = "2 parsecs"]
        balanced fn charge();
    }
}

fn main() {}
