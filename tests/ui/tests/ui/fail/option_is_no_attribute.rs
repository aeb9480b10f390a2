//! Something else after the hash.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #timeout
        balanced fn charge();
        #["timeout"]
        balanced fn refund();
    }
}

fn main() {}
