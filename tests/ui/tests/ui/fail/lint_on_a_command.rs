//! Lints stand outside.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[expect(dead_code)]
        balanced fn charge();
        #[allow(dead_code)]
        balanced fn refund();
        #[allow(clippy::all)]
        balanced fn settle();
    }
}

fn main() {}
