//! Ids are short hashes; two names can meet.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn put_account_by_range();
        balanced fn flush_payments_by_month();
    }
}

fn main() {}
