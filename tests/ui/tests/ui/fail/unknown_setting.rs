//! A node has two settings.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        alow: any;
        port: 80;
    }
}

fn main() {}
