//! Nodes stand beside the mesh.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop {
        node Billing {}
    }

    node Gateway {
        connect: [Biling];
    }
}

fn main() {}
