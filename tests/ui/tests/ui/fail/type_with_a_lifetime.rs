//! Owned types travel.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge(order: std::borrow::Cow<'a, str>);
    }
}

fn main() {}
