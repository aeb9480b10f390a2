//! Not understood.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[cfg_attr(test, idempotent)]
        balanced fn charge();
    }
}

fn main() {}
