//! A doubled word.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced balanced fn charge();
    }
}

fn main() {}
