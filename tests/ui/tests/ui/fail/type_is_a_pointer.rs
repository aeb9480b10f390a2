//! Addresses do not travel.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: *const u8, then: fn(u8) -> u8);
    }
}

fn main() {}
