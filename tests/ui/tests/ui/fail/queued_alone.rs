//! Queued by whom?

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        queued fn export();
    }
}

fn main() {}
