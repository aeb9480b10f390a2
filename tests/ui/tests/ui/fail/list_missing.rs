//! Nothing after the colon.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: ;
    }
}

fn main() {}
