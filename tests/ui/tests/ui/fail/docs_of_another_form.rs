//! A doc comment or its long form.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        #[doc]
        balanced fn charge();
    }
}

fn main() {}
