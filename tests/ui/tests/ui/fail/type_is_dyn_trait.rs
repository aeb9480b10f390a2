//! A name is needed.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: Box<dyn Send>);
    }
}

fn main() {}
