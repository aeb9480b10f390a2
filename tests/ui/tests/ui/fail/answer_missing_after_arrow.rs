//! The type is missing.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge() ->;
        balanced fn refund() -> u8;
    }
}

fn main() {}
