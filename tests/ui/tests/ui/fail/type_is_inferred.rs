//! Both sides must know.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: _) -> Vec<_>;
    }
}

fn main() {}
