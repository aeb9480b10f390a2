//! Each option says for which deliveries it is.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[attempts = 5]
        #[backoff = "1s"]
        #[orphans = "adopt"]
        balanced fn charge(order: u8);
        #[idempotent]
        #[key = order]
        broadcast fn flush(order: u8);
        #[idempotent]
        #[orphans = "adopt"]
        queued balanced fn export(day: u8);
    }
}

fn main() {}
