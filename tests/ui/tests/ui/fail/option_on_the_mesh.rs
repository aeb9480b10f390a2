//! Options belong to commands.

use mesh_runtime::mesh_schema;

mesh_schema! {
    #[version = 2]
    mesh Shop;
}

fn main() {}
