//! As in Rust.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[deprecated = = 1]
        balanced fn charge();
    }
}

fn main() {}
