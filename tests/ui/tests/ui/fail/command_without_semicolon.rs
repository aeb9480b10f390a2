//! What follows is read all the same.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: u8) -> Vec<u8>
        /// Next.
        broadcast fn refund(self)
    }
}

fn main() {}
