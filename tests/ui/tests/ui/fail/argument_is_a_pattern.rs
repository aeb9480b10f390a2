//! A name and a type.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge((id, sum): (u8, u8));
        balanced fn refund(_: u8);
        balanced fn settle(mut order: u8);
    }
}

fn main() {}
