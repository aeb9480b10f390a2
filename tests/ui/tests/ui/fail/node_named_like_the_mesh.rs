//! Both become types.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Shop {}

    node Billing {}
}

fn main() {}
