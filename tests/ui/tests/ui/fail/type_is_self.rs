//! Which Self?

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: Self) -> Self;
    }
}

fn main() {}
