//! The schema only declares.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge() -> u8 {
            7
        }
        balanced fn refund(self);
    }
}

fn main() {}
