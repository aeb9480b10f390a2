//! Not a name.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Gateway {
        connect: ["Billing"];
    }
}

fn main() {}
