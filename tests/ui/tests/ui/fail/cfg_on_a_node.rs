//! Every process must know the same node types.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    #[cfg(feature = "billing")]
    node Billing {}
}

fn main() {}
