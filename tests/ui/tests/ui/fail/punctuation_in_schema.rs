//! A stray sign.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    => node Billing {}
}

fn main() {}
