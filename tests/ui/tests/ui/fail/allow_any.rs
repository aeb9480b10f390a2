//! That is so anyway.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[allow(any)]
        balanced fn charge();
    }
}

fn main() {}
