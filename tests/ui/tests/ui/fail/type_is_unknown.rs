//! rustc says it, once, in the schema.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: Ordr) -> Ordr;
    }
}

fn main() {}
