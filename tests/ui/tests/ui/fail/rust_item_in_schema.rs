//! Rust items stand outside of the schema.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    use std::time::Duration;

    struct Order;

    node Billing {}
}

fn main() {}
