//! No value, no answer.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        broadcast fn charge() -> !;
    }
}

fn main() {}
