//! A list takes no docs.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        /// Everyone.
        allow: any;
    }
}

fn main() {}
