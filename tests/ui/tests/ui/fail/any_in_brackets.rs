//! The word stands alone.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        allow: [any];
    }
}

fn main() {}
