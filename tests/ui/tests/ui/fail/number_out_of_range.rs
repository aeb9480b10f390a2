//! Whole, positive, 32 bits.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[concurrency = 0]
        balanced fn charge();
        #[attempts = "five"]
        queued balanced fn export();
        #[version = 5000000000]
        balanced fn refund();
        #[version = -1]
        balanced fn settle();
    }
}

fn main() {}
