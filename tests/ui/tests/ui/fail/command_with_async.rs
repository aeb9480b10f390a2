//! Asynchronous anyway.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced async fn charge();
        unsafe balanced fn refund();
    }
}

fn main() {}
