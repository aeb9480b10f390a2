//! Nothing says how it is delivered.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        fn charge() -> u8;
    }
}

fn main() {}
