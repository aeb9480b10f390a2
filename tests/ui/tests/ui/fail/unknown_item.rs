//! Something else stands in the schema.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    service Billing {}
}

fn main() {}
