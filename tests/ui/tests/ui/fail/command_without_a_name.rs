//! The name is missing; the next command is read all the same.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn (order: u8);
        balanced fn refund(&self);
    }
}

fn main() {}
