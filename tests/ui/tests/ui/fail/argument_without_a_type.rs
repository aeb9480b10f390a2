//! A name and a type.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(Order);
        balanced fn refund(order);
        balanced fn settle(order u8, sum: u8);
    }
}

fn main() {}
