//! A schema has no inner docs.

use mesh_runtime::mesh_schema;

mesh_schema! {
    //! About the shop.
    mesh Shop;
}

fn main() {}
