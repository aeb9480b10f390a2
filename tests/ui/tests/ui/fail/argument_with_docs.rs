//! Docs stand above the command.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(
            /// Which.
            order: u8,
        );
    }
}

fn main() {}
