//! A near argument is proposed.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[key = ordr.id]
        balanced fn charge(order: u8);
        #[key = customer]
        balanced fn refund(order: u8);
    }
}

fn main() {}
