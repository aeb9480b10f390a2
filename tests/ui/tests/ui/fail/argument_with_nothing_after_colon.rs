//! The type is missing.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order:, sum: u8);
    }
}

fn main() {}
