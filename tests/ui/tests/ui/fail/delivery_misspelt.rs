//! A near word is proposed; the rest is read all the same.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balance fn charge() -> u8;
        unicast fn refund();
    }
}

fn main() {}
