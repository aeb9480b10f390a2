//! A doc comment before the closing brace.

use mesh_runtime::mesh_schema;

mesh_schema! {
    mesh Shop;

    node Billing {
        balanced fn charge();
        /// And then?
    }

    /// Or here?
}

fn main() {}
