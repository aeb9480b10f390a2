//! Each option has its form.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[timeout("2s")]
        #[idempotent = true]
        #[concurrency(8)]
        #[key(order)]
        #[version]
        #[allow = "Gateway"]
        balanced fn charge(order: u8);
        #[attempts]
        #[backoff]
        #[orphans(adopt)]
        queued broadcast fn reindex();
    }
}

fn main() {}
