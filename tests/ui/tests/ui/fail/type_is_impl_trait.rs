//! A name is needed.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: impl Copy) -> Vec<impl Copy>;
    }
}

fn main() {}
