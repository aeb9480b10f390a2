//! A node type has no generics.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing<T> {}
}

fn main() {}
