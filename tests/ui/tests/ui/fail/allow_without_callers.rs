//! Nobody could call.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[allow()]
        balanced fn charge();
    }
}

fn main() {}
