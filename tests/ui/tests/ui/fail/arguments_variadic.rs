//! A fixed number.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(...);
    }
}

fn main() {}
