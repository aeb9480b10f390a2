//! A near option is proposed.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[timeuot = "2s"]
        balanced fn charge();
        #[retry]
        balanced fn refund();
    }
}

fn main() {}
