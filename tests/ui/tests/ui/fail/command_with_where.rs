//! Nothing to bound.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: u8) where u8: Copy;
    }
}

fn main() {}
