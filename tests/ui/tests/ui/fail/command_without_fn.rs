//! The word is missing.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced charge(order: u8) -> u8;
    }
}

fn main() {}
