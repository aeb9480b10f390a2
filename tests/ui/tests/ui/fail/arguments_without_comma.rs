//! Arguments are parted by commas.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: u8; sum: u8);
    }
}

fn main() {}
