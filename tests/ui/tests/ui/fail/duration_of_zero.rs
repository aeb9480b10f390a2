//! Nothing takes no time.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[timeout = "0s"]
        balanced fn charge();
        #[backoff = "0ms"]
        queued balanced fn export();
    }
}

fn main() {}
