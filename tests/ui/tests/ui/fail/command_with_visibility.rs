//! As visible as the mesh.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        pub balanced fn charge();
    }
}

fn main() {}
