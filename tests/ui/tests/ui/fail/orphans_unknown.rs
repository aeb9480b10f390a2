//! A near word is proposed.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[orphans = "adpot"]
        queued broadcast fn reindex();
        #[orphans = "ignore"]
        queued broadcast fn rescan();
    }
}

fn main() {}
