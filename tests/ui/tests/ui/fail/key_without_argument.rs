//! A constant is no key.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[key = 7]
        balanced fn charge(order: u8);
    }
}

fn main() {}
