//! One or the other.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced broadcast fn charge();
        queued balanced broadcast fn export();
    }
}

fn main() {}
