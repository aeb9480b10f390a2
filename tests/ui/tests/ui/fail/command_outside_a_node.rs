//! A command belongs to a node.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    balanced fn charge();
}

fn main() {}
