//! The order of the words.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        broadcast queued fn reindex();
    }
}

fn main() {}
