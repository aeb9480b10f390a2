//! A word with a meaning.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node any {}
}

fn main() {}
