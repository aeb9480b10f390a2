//! The semicolon is missing, and the next item is read all the same.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop

    node Billing {
        allow: [Biling];
    }
}

fn main() {}
