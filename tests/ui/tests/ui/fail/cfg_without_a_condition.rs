//! What condition?

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[cfg]
        balanced fn charge();
    }
}

fn main() {}
